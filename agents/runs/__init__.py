"""Runs: from the task to the answer, recorded, resumed, forked, nested and patched."""
