"""Processes that remember and are killed; `python -m tests.memory.crash` does it many times."""
