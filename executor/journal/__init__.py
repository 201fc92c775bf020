"""The journal: the events of runs, where they outlive the process that made them."""

from treadle.executor.journal.commands import Command
from treadle.executor.journal.journal import Journal
from treadle.executor.journal.run_row import RunRow
from treadle.executor.journal.writer import Recording

__all__ = ["Command", "Journal", "Recording", "RunRow"]
