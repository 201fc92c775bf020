"""The database of one call: it can be stopped at any moment, and leaves nothing behind."""

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from duckdb import DuckDBPyConnection

from treadle.core.errors import ToolError
from treadle.core.threads import run_in_thread
from treadle.tools.builtin.database import Database, with_database

ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b, range(10000000) c"


async def test_a_cancelled_call_ends_its_query() -> None:
    started, ended = threading.Event(), threading.Event()

    def work(connection: DuckDBPyConnection, check: object) -> None:
        started.set()
        try:
            connection.execute(ENDLESS).fetchall()
        finally:
            ended.set()

    async with asyncio.timeout(15):
        async with asyncio.TaskGroup() as group:
            call = group.create_task(with_database(work))
            await run_in_thread(started.wait)
            call.cancel()
        assert call.cancelled()
        await run_in_thread(ended.wait)


async def test_a_call_stopped_before_it_starts_does_nothing() -> None:
    database = Database()
    stopping = threading.Thread(target=database.stop)
    stopping.start()
    while not database.given_up:
        await asyncio.sleep(0)
    with pytest.raises(ToolError) as caught:
        database.use(lambda connection: pytest.fail("it was started"))
    assert caught.value.code == "cancelled"
    await run_in_thread(stopping.join)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("sql", ["SELECT now() AS a, * FROM t", "SELECT missing FROM t"])
def test_nothing_is_left_for_the_end_of_the_process(tmp_path: Path, sql: str) -> None:
    """duckdb writes pages to the terminal about objects that a thread still holds by then."""
    (tmp_path / "t.csv").write_text("a,b\n1,x\n", "utf-8")
    script = """if True:
        import asyncio, pathlib, sys
        from treadle.core.errors import ToolError
        from treadle.tools.builtin import builtin_tools
        tools = {each.name: each for each in builtin_tools(pathlib.Path(sys.argv[1]))}
        call = tools["query_table"].call({"sql": sys.argv[2], "files": ["t.csv"]})
        try:
            asyncio.run(call)
        except ToolError as error:
            print(error.code)
    """
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), sql],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if "now" in sql else "bad_query\n")
