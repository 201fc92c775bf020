"""A workflow in Python: calling tools makes the plan, running it makes the calls.

python examples/workflow.py
"""

from pathlib import Path

from treadle import ITEM, Runtime, step, tool, workflow

WORKSPACE = Path(__file__).parent / "workspace"


@tool(effect="read")
def paragraphs(path: str) -> int:
    """Count the paragraphs of a text file in the workspace."""
    text = (WORKSPACE / path).read_text("utf-8")
    return sum(1 for part in text.split("\n\n") if part.strip())


@tool(effect="pure")
def longest(counts: list[int]) -> int:
    """The largest of the counts."""
    return max(counts)


@workflow
def survey(main: str, others: list[str]) -> str:
    """Each call is a step; the two branches share no step, so they run in parallel."""
    first = paragraphs(main)
    counts = step(paragraphs, for_each=others)(ITEM)
    return f"{main} has {first} paragraphs; the longest of the others has {longest(counts)}."


def main() -> None:
    """Show the plan, then run it."""
    plan = survey.plan("README.md", ["docs/looms.md", "docs/shifts.md", "docs/safety.md"])
    print(plan.to_json())
    result = Runtime(model="offline", tools=[paragraphs, longest]).run_sync(plan)
    print(result.answer)


if __name__ == "__main__":
    main()
