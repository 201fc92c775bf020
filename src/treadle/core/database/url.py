"""Which database a URL means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from treadle.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """`sqlite:///path` (a path from the current folder), `sqlite:////path` or `postgresql://...`.

    path: the file of an SQLite database, None for PostgreSQL.
    text: as it was given.
    """

    text: str
    path: Path | None

    @classmethod
    def parse(cls, text: str) -> DatabaseUrl:
        """Raises ConfigError (`bad_database_url`) for anything else."""
        scheme, _, rest = text.partition("://")
        kind = scheme.partition("+")[0].lower()
        if kind == "sqlite":
            path = unquote(rest.partition("?")[0])
            if not path.startswith("/") or path in ("/", "/:memory:") or "\0" in path:
                raise ConfigError(
                    "bad_database_url",
                    f"'{text}' names no file: write sqlite:///path, or leave the database out to "
                    f"keep runs in memory",
                )
            return cls(text, Path(path[1:]).absolute())
        if kind in ("postgresql", "postgres"):
            return cls(text, None)
        raise ConfigError(
            "bad_database_url", f"'{_shown(text)}' is neither sqlite:///path nor postgresql://..."
        )

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of ours rather than a server."""
        return self.path is not None

    @property
    def async_url(self) -> str:
        """The URL for SQLAlchemy's async engine."""
        if self.path is not None:
            return f"sqlite+aiosqlite:///{self.path}"
        return f"postgresql+psycopg://{self.text.partition('://')[2]}"

    def __str__(self) -> str:
        """Without the password."""
        return _shown(self.text)


def _shown(text: str) -> str:
    parts = urlsplit(text)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return text
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{host}"))
