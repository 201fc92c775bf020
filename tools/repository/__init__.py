"""Work on a repository: its language server, its graph, selectors that last, edits as one."""

from treadle.tools.repository.repository import Outcome, Preview, Repository
from treadle.tools.repository.repository_tools import repository_tools
from treadle.tools.repository.score import StepScore

__all__ = ["Outcome", "Preview", "Repository", "StepScore", "repository_tools"]
