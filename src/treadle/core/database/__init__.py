"""The database layer: URLs, connections, pragmas and migrations, the same for all that is kept."""

from treadle.core.database.database import Database
from treadle.core.database.schema import Migrations
from treadle.core.database.url import DatabaseUrl

__all__ = ["Database", "DatabaseUrl", "Migrations"]
