"""Warm workers: interpreters behind a boundary that are there before a snippet is."""

from treadle.tools.sandbox.warm.pool import WarmPool

__all__ = ["WarmPool"]
