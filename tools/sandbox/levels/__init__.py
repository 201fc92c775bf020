"""The levels of the sandbox: how each of them keeps a process behind a boundary."""
