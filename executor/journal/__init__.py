"""The journal: the events of runs, where they outlive the process that made them."""

from treadle.executor.journal.journal import Command, Journal, RunRow
from treadle.executor.journal.writer import Recording

__all__ = ["Command", "Journal", "Recording", "RunRow"]
