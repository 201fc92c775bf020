"""A writing job of a hundred steps: no prompt ever holds the whole output."""

from __future__ import annotations

from pathlib import Path

from treadle.core.chat import ChatRequest, Message
from treadle.core.database import Database, DatabaseUrl
from treadle.core.model_call import call_model
from treadle.memory.learning import Learning
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.testing import ScriptedModel

HERE = Namespace("jobs")
STEPS = 100
TAIL = 1_000
"""Bytes of what was written last that a step is shown, to go on from."""

LARGEST_PROMPT = 8_500
"""Characters: the instruction, its context (6,000) and the tail."""


def chapter(request: ChatRequest) -> str:
    """About 4,000 characters that tell their number and what came right before."""
    asked = request.messages[0].content
    before = request.messages[1].content
    number = int(asked.split()[2])
    went_on = number == 1 or f"end of {number - 1}\n" in before
    return (
        f"chapter {number} {'goes on' if went_on else 'is lost'} "
        + "word " * 800
        + (f"end of {number}\n")
    )


async def write(learning: Learning, model: ScriptedModel) -> None:
    """What a writing agent does: the next instruction, its context, the last lines; one call."""
    step = await learning.instructions.begin("book", namespace=HERE)
    assert step is not None
    context = await learning.instructions.context(step, namespace=HERE)
    known = await learning.artifacts.info("book.md", namespace=HERE)
    tail = (
        ""
        if known is None
        else (await learning.artifacts.read("book.md", namespace=HERE, start=-TAIL)).text
    )
    messages = (Message("user", step.text), Message("user", f"{context}\n---\n{tail}"))
    reply = await call_model(model, ChatRequest(messages), purpose="agent")
    await learning.artifacts.append("book.md", reply.text, namespace=HERE)
    await learning.instructions.finish("book", step.position, reply.text, namespace=HERE)


async def test_a_book_of_a_hundred_chapters(tmp_path: Path) -> None:
    # On one database: the parts are tested on both, and this is a thousand transactions.
    database = Database(DatabaseUrl.parse(f"sqlite:///{tmp_path}/book.db"))
    await write_the_book(Learning(Store(database)))
    await database.close()


async def write_the_book(learning: Learning) -> None:
    """All steps of the job, and what must hold after them."""
    model = ScriptedModel(chapter)
    texts = [f"Write chapter {number} of the book." for number in range(1, STEPS + 1)]
    await learning.instructions.add("book", texts, namespace=HERE, artifacts=["book.md"])
    for _ in range(STEPS):
        await write(learning, model)
    assert await learning.instructions.begin("book", namespace=HERE) is None

    prompts = [sum(len(each.content) for each in request.messages) for request in model.requests]
    book = await learning.artifacts.info("book.md", namespace=HERE)
    assert book is not None
    assert book.size > 400_000
    assert len(prompts) == STEPS
    assert max(prompts) < LARGEST_PROMPT
    # It does not grow with the job, either.
    assert max(prompts[50:]) <= max(prompts[:50]) + 100
    for number in (1, 2, 49, 99, STEPS):
        part = await learning.artifacts.read_lines("book.md", namespace=HERE, first=number, count=1)
        assert part.text.startswith(f"chapter {number} goes on ")
        assert part.text.endswith(f"end of {number}\n")
