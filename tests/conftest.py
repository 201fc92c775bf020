"""What all tests share: the databases that behaviour must be the same on, and no stopwatch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import REQUIRE, PostgresBroken, PostgresMissing, PostgresServer

_UNTESTED = "not tested on PostgreSQL"
_SERVER = pytest.StashKey[PostgresServer | PostgresMissing | PostgresBroken]()

# The speed of the machine decides no test: what hangs meets pytest's timeout. Here, because what
# is decorated takes its settings when its module is imported.
settings.register_profile("treadle", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("treadle")
_MANY_SECONDS = 120
"""For a test of a hundred examples, and more."""
_FAR_SECONDS = 90
"""For a test that starts processes, or has a server make it a database."""
_ELSEWHERE = {"tests.crashing", "tests.agents.nested_world"}


@pytest.fixture
def postgres_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """An empty database on a server of our own; the test is skipped where there is none."""
    server = _server(pytestconfig)
    if isinstance(server, PostgresBroken):
        pytest.fail(str(server), pytrace=False)
    if isinstance(server, PostgresMissing):
        if os.environ.get(REQUIRE, "0") not in ("", "0"):
            pytest.fail(f"{REQUIRE} is set, and {server}", pytrace=False)
        pytest.skip(f"{_UNTESTED}: {server}")
    with server.fresh_database() as url:
        yield url


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)],
)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind, one after the other."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/runs.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


def _server(config: pytest.Config) -> PostgresServer | PostgresMissing | PostgresBroken:
    """The server of this session, or why there is none; the first call starts it."""
    found = config.stash.get(_SERVER, None)
    if found is None:
        try:
            found = PostgresServer.start()
        except (PostgresMissing, PostgresBroken) as error:
            found = error
        config.stash[_SERVER] = found
    return found


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "postgresql: needs a PostgreSQL server")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        limit = _limit(item)
        if limit is not None and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(limit))


def _limit(item: pytest.Item) -> int | None:
    """Seconds for a test that takes longer than others where the machine is busy."""
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        return _MANY_SECONDS
    names = vars(getattr(item, "module", None) or object).values()
    elsewhere = any(getattr(each, "__module__", None) in _ELSEWHERE for each in names)
    server = "postgres_url" in getattr(item, "fixturenames", ()) or bool(
        item.get_closest_marker("postgresql")
    )
    return _FAR_SECONDS if elsewhere or server else None


def pytest_collection_finish(session: pytest.Session) -> None:
    # Before the first test, so that it does not count against the time of one.
    wanted = any(
        item.get_closest_marker("postgresql") or "postgres_url" in getattr(item, "fixturenames", ())
        for item in session.items
    )
    if wanted and not session.config.option.collectonly:
        _server(session.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = [
        report.longrepr[2].partition(f"{_UNTESTED}: ")[2]
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and _UNTESTED in report.longrepr[2]
    ]
    if reasons:
        terminalreporter.section(_UNTESTED.upper(), sep="!", red=True, bold=True)
        count = "1 test was" if len(reasons) == 1 else f"{len(reasons)} tests were"
        terminalreporter.line(f"{count} skipped: {reasons[0]}", red=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(_SERVER, None)
    if isinstance(server, PostgresServer):
        server.stop()
