"""Which database a URL means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from treadle.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """`sqlite:///path` (a path from the current folder), `sqlite:////path` or `postgresql://...`.

    engine_url: for SQLAlchemy's async engine.
    path: the file of an SQLite database, None for PostgreSQL.
    """

    engine_url: URL
    path: Path | None

    @classmethod
    def parse(cls, text: str) -> DatabaseUrl:
        """Raises ConfigError (`bad_database_url`) for anything else; a password is never shown."""
        scheme, _, rest = text.partition("://")
        kind = scheme.partition("+")[0].lower()
        if kind == "sqlite":
            named = unquote(rest.partition("?")[0])
            if not named.startswith("/") or named in ("/", "/:memory:") or "\0" in named:
                raise ConfigError(
                    "bad_database_url",
                    "an sqlite URL without a file: write sqlite:///path, or leave the database out "
                    "to keep runs in memory",
                )
            path = Path(named[1:]).absolute()
            return cls(URL.create("sqlite+aiosqlite", database=str(path)), path)
        if kind not in ("postgresql", "postgres"):
            raise ConfigError(
                "bad_database_url", "the database is to be sqlite:///path or postgresql://..."
            )
        try:
            return cls(make_url(f"postgresql+psycopg://{rest}"), None)
        except (ArgumentError, ValueError):
            raise ConfigError(
                "bad_database_url",
                "a PostgreSQL URL that cannot be read: write "
                "postgresql://user:password@host:port/name",
            ) from None

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of ours rather than a server."""
        return self.path is not None

    def __str__(self) -> str:
        """Without the password, and without options, which may hold one."""
        if self.path is not None:
            return f"sqlite:///{self.path}"
        url = self.engine_url
        user = f"{url.username}@" if url.username else ""
        port = f":{url.port}" if url.port else ""
        return f"postgresql://{user}{url.host or ''}{port}/{url.database or ''}"
