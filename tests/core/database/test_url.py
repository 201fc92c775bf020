from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.core.database import Database, DatabaseUrl
from treadle.core.errors import ConfigError, TreadleError


def test_a_path_is_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert DatabaseUrl.parse("sqlite:///runs.db").path == tmp_path / "runs.db"
    assert DatabaseUrl.parse(f"sqlite:///{tmp_path}/x.db").path == tmp_path / "x.db"
    assert DatabaseUrl.parse("sqlite:////a/b.db").path == Path("/a/b.db")


@pytest.mark.parametrize(
    "text",
    [
        "", "runs.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://host/x.db",
        "mysql://h/x", "file:///x", "sqlite:///a\0b", "sqlite:///a%00b",
    ],
)  # fmt: skip
def test_what_names_no_database_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        DatabaseUrl.parse(text)
    assert caught.value.code == "bad_database_url"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "POSTGRESQL"])
def test_every_spelling_of_postgresql_gets_the_one_driver(scheme: str) -> None:
    url = DatabaseUrl.parse(f"{scheme}://u@h:5/d")
    assert not url.is_sqlite
    engine = Database(url).engine
    assert engine.url.drivername == "postgresql+psycopg"
    assert (engine.url.host, engine.url.port, engine.url.database) == ("h", 5, "d")


def test_the_password_is_not_shown() -> None:
    url = DatabaseUrl.parse("postgresql://user:hunter2@host:5432/runs")
    assert str(url) == "postgresql://user@host:5432/runs"


SECRET = "hunter2"

LEAKS = {
    "slash": f"postgresql://user:{SECRET}/x@host/runs",
    "hash": f"postgresql://user:{SECRET}#x@host/runs",
    "question": f"postgresql://user:{SECRET}?x@host/runs",
    "query": f"postgresql://host/runs?user=u&password={SECRET}",
    "other scheme": f"mysql://user:{SECRET}@host/runs",
    "other scheme, odd": f"mysql://user:{SECRET}/x@host/runs",
    "sqlite": f"sqlite://user:{SECRET}@host/runs",
    "bracket": f"postgresql://user:{SECRET}@[host/runs",
    "bracket, other scheme": f"mysql://user:{SECRET}@[host/runs",
    "port": f"postgresql://user:{SECRET}@127.0.0.1:x/runs",
    "no host": f"postgresql://user:{SECRET}@/runs?port=1&host=127.0.0.1&connect_timeout=2",
    "refused": f"postgresql://user:{SECRET}@127.0.0.1:1/runs",
}


def leak(name: str) -> object:
    return pytest.param(LEAKS[name], id=name.replace(" ", "-"))


@pytest.mark.parametrize("text", [leak(each) for each in LEAKS])
async def test_no_message_has_the_password(text: str) -> None:
    try:
        url = DatabaseUrl.parse(text)
        assert SECRET not in str(url)
        database = Database(url)
        try:
            await database.open()
        finally:
            await database.close()
    except TreadleError as error:
        assert SECRET not in str(error)
        assert SECRET not in error.message


@given(name=st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1))
def test_whatever_a_file_is_called_parsing_it_raises_nothing_else(name: str) -> None:
    try:
        url = DatabaseUrl.parse(f"sqlite:////tmp/{name}")
    except ConfigError as error:
        assert error.code == "bad_database_url"
    else:
        assert url.is_sqlite
