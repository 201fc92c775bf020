"""`treadle chat`."""
