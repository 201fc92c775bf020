"""The schema of a database: which revision it has, and how it gets the one that it must have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from treadle.core.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

_TABLE = "treadle_schema"


@dataclass(frozen=True, slots=True)
class Migrations:
    """A history of the schema, up to the revision `head`.

    location: a folder of alembic's, or "package:folder"; its `env.py` migrates within the
        connection that it is handed.
    head: stated, since finding it out means to import alembic, which takes longer than a run.
    """

    location: str = "treadle:core/database/migrations"
    head: str = "0003"


OURS = Migrations()
"""What this version of Treadle works with."""


def revision_of(connection: Connection) -> str | None:
    """The revision of the schema; None for an empty database."""
    if not connection.dialect.has_table(connection, _TABLE):
        return None
    found = connection.execute(text(f"select version_num from {_TABLE}")).scalar()  # noqa: S608
    return None if found is None else str(found)


def upgrade(connection: Connection, migrations: Migrations, name: str) -> None:
    """Bring the schema up to date, within the transaction of the caller, who holds the lock.

    Raises ConfigError (`database_too_new`) for a revision that is not in `migrations`.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", migrations.location.replace("%", "%%"))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    known = {each.revision for each in script.iterate_revisions(migrations.head, "base")}
    # Read again: another process may have migrated it while this one waited for the lock.
    found = revision_of(connection)
    if found is not None and found not in known:
        raise ConfigError(
            "database_too_new",
            f"{name} was written by a later version of Treadle (its schema is {found[:40]!r}, this "
            f"version knows {migrations.head!r}); upgrade Treadle",
        )
    command.upgrade(config, migrations.head)
