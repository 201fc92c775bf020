"""What runs inside a sandbox: standard library only, shipped there as text (see `program`)."""
