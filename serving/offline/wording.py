"""What the stand-in says about itself."""

from __future__ import annotations

from treadle.serving.offline.draft import listed, shown

HOW_TO_CONFIGURE = (
    "To use a language model, set OPENAI_API_KEY, set TREADLE_MODEL or pass --model, for example "
    "--model openai:gpt-4.1-mini, --model vllm:http://localhost:8000 or --model ollama:llama3.2."
)
UNREAD = (
    "This is Treadle's offline stand-in, not a language model: it knows a fixed range of requests. "
    + HOW_TO_CONFIGURE
)
OUT_OF_RANGE = (
    "the offline stand-in is not a language model and cannot do this ({what}); configure a model: "
    "set TREADLE_MODEL or OPENAI_API_KEY, or pass --model"
)
_RANGE = """\
- arithmetic: "what is 17 * 23", "15% of 240", "average of 10, 20 and 60"
- files by size: "which is longer, README.md or CHANGELOG.md", "largest 3 files in data"
- finding: "how many *.py files are there", "find TODO in all python files"
- each file of many: "for every *.md under docs, count the words"
- tables: "total amount by region in sales.csv", "how many rows has orders.csv"
- pages on allowed hosts (--allow-host): "fetch http://a/x and http://b/y and compare them"
- extractive summaries: "summarise README.md in 2 sentences"
- dates: "how many days between 2024-01-01 and 2024-03-01", "what time is it"
- texts: "show me the first 10 lines of notes.txt", "how many words are in 'the quick brown fox'"
Parts can be combined: they run in parallel."""


def capabilities(task: str, missing: list[str]) -> str:
    """The plain answer to a task of which nothing was understood."""
    asked = f'I could not work out how to do this: "{shown(task, 160)}". ' if task.strip() else ""
    tools = (
        f"It would take tools that are not on offer here: {shown(listed(missing), 200)}. "
        if missing
        else ""
    )
    return (
        f"{asked}{tools}I am Treadle's offline stand-in, not a language model. What I can plan:\n"
        f"{_RANGE}\n{HOW_TO_CONFIGURE}"
    )
