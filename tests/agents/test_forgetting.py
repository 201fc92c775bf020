"""What a run was asked to forget is not in its own record either, whoever has erased it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.agents.conftest import SECONDS, TOOLS, plan, runtime, step

from treadle import tool
from treadle.agents import ChatSession
from treadle.agents.memory_tools import memory_tools
from treadle.core.database import Database, DatabaseUrl
from treadle.executor.journal.erasure import JournalErasure
from treadle.memory import Memory, TreadleCheckpointer
from treadle.memory.erasure.checkpoints import CheckpointErasure
from treadle.testing import ScriptedModel
from treadle.tools import Effect, Tool

CANARY = "Zebulonix Quarterstaff"
SPELLED = ("zebulonix", "quarterstaff")


async def traces(url: str) -> list[str]:
    """Where a part of the canary stands in a database, by file or by table."""
    parsed = DatabaseUrl.parse(url)
    if parsed.path is not None:
        path = parsed.path
        files = [each for each in path.parent.iterdir() if each.name.startswith(path.name)]
        texts = {each.name: each.read_bytes().decode("utf-8", "replace") for each in files}
    else:
        database, texts = Database(parsed), {}
        async with database.reading() as connection:
            names = await connection.execute(
                sa.text("select tablename from pg_tables where schemaname = current_schema()")
            )
            for (name,) in names.all():
                rows = await connection.execute(sa.text(f'select t::text from "{name}" t'))
                texts[name] = "\n".join(rows.scalars())
                # bytea is shown in hexadecimal digits.
                texts[name] += "".join(map(_unhexed, texts[name].split("\\x")[1:]))
        await database.close()
    return [name for name, text in texts.items() if any(each in text.lower() for each in SPELLED)]


def _unhexed(text: str) -> str:
    digits = text.partition('"')[0].partition(",")[0].partition(")")[0]
    return bytes.fromhex(digits).decode("utf-8", "replace")


@asynccontextmanager
async def remembering(url: str, *, purges: bool = True) -> AsyncIterator[Memory]:
    database = Database(DatabaseUrl.parse(url))
    places = (JournalErasure(database), CheckpointErasure(database)) if purges else ()
    memory = Memory(database, purges=places)
    await memory.remember(f"{CANARY} keeps bees.", actor="user")
    await memory.remember("Bo keeps bees.", actor="user")
    await memory.work()
    yield memory
    await memory.aclose()
    await database.close()


def tools_of(memory: Memory) -> list[Tool]:
    return [*TOOLS, *memory_tools(lambda: memory)]


async def approve(_: Any) -> bool:
    return True


FORGET = plan(step("gone", "forget", subject=CANARY), answer=f"{CANARY} is forgotten: ${{gone}}")


@pytest.mark.parametrize("purges", [True, False])
async def test_a_run_that_forgets_leaves_nothing(database_url: str, purges: bool) -> None:
    async with remembering(database_url, purges=purges) as memory:
        options: dict[str, Any] = {"database": database_url, "memory": memory}
        async with runtime([FORGET], tools_of(memory), approve=approve, **options) as rt:
            result = await rt.run(f"Forget all about {CANARY}")
            assert result.status == "succeeded"
            assert CANARY in str(result.answer)  # whoever asked is told
            # At once: nobody has to close anything for it.
            assert await traces(database_url) == []
        assert await traces(database_url) == []
        kept = await memory.recall("Who keeps bees?")
        assert [hit.text for hit in kept.hits if "Bo" in hit.text]


async def test_a_name_that_an_earlier_step_gave(database_url: str) -> None:
    @tool
    async def whom() -> str:
        """Whom to forget."""
        return CANARY

    steps = plan(step("who", "whom"), step("gone", "forget", subject="${who}"), answer="${who}")
    async with remembering(database_url) as memory:
        tools = [*tools_of(memory), whom]
        async with runtime([steps], tools, approve=approve, database=database_url) as rt:
            result = await rt.run("Forget whomever is due")
            assert result.answer == CANARY
            assert await traces(database_url) == []


async def test_a_tool_of_ones_own_that_erases(database_url: str) -> None:
    async with remembering(database_url, purges=False) as memory:
        found = (await memory.recall("bees")).hits

        @tool(effect=Effect.IRREVERSIBLE)
        async def clean_up(ids: list[str]) -> str:
            """Erase episodes."""
            await memory.forget(episodes=ids)
            return f"{CANARY} keeps bees. No more."

        theirs = [hit.id for hit in found if CANARY in hit.text]
        steps = plan(step("gone", "clean_up", ids=theirs), answer="${gone}")
        async with runtime([steps], [clean_up], approve=approve, database=database_url) as rt:
            result = await rt.run("Clean up")
            assert result.status == "succeeded"
        # The text of the episode, and so what the tool gave; a name alone is nobody's.
        assert await traces(database_url) == []


async def test_a_run_within_a_run(database_url: str) -> None:
    async with (
        remembering(database_url, purges=False) as memory,
        runtime([FORGET], tools_of(memory), approve=approve) as within,
        runtime(
            [plan(step("w", "helper", task=f"Forget {CANARY}"), answer="${w}")],
            [within.as_tool("helper", "Does it.")],
            approve=approve,
            database=database_url,
        ) as rt,
    ):
        result = await rt.run(f"Have {CANARY} forgotten")
        assert result.status == "succeeded", result.error
        assert await traces(database_url) == []


async def test_a_run_that_is_cancelled_over_it(database_url: str) -> None:
    started = asyncio.Event()
    async with remembering(database_url, purges=False) as memory:

        @tool(effect=Effect.IRREVERSIBLE)
        async def slowly(subject: str) -> str:
            """Forget, and never end."""
            await memory.forget(subject=subject)
            started.set()
            await asyncio.Event().wait()
            return ""

        steps = plan(step("s", "slowly", subject=CANARY), answer="${s}")
        async with runtime([steps], [slowly], approve=approve, database=database_url) as rt:
            async with asyncio.timeout(SECONDS), rt.stream(f"Forget {CANARY}") as run:
                await started.wait()
                run.cancel()
                await run.ended()
            assert run.result.status == "cancelled"
            assert run.forgot
            assert run.erasure_error is None
            assert await traces(database_url) == []


async def test_a_conversation_goes_with_what_it_was_told_to_forget(database_url: str) -> None:
    twice = plan(
        step("gone", "forget", subject=CANARY),
        {**step("m", "mail", to="${gone.text}"), "after": ["gone"]},
        answer=f"{CANARY}: ${{m}}",
    )
    model = ScriptedModel([plan(answer=f"{CANARY} keeps bees"), twice, plan(answer="Hello")])
    async with (
        remembering(database_url) as memory,
        TreadleCheckpointer(database_url) as kept,
        runtime([], tools_of(memory), model=model, database=database_url) as rt,
    ):
        session = ChatSession(rt, checkpointer=kept, thread_id="t1")
        await session.stream(f"Who is {CANARY}?").to_end()
        assert await traces(database_url) != []
        result = await session.stream("Forget that one").to_end()
        waits = 0
        while result.status == "waiting":
            waits += 1
            result = await session.decide(True).to_end()
        assert (result.status, waits > 0) == ("succeeded", True), result.error
        assert session.messages == ()
        # The first turn is of a run of its own, which the journal's purge has seen to.
        assert await traces(database_url) == []
        result = await session.stream("Hello").to_end()
        assert result.answer == "Hello"
        assert "bees" not in model.requests[-1].messages[-1].content


async def test_taking_back_is_no_forgetting(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    steps = plan(step("r", "remember", text=f"{CANARY} sells honey."), step("b", "boom"))
    async with remembering(url, purges=False) as memory:
        options: dict[str, Any] = {"database": url, "undo_on_failure": True, "max_replans": 0}
        async with runtime([steps], tools_of(memory), **options) as rt:
            async with rt.stream("Remember it") as run:
                await run.ended()
            assert run.result.status == "failed"
            assert not run.forgot
        recalled = await memory.recall("Who sells honey?")
        assert not [hit for hit in recalled.hits if "honey" in hit.text]
