"""Texts: count, summarise, compare."""

from __future__ import annotations

import difflib
from collections import Counter

from typing_extensions import TypedDict

from treadle.core.errors import ToolError
from treadle.tools.builtin.extract import key_sentences, sentences_of
from treadle.tools.builtin.lines import count_lines, split_lines
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.tool import Tool

_DIFF_LINES = 3_000
_DIFF_PAIRS = 20_000
"""Lines of both texts together, and pairs of equal lines, up to which they are compared in order:
difflib takes quadratic time, and cubic where few lines repeat often."""

_SHOWN_DIFF = 400
_SHOWN_LINE = 500


class TextStatistics(TypedDict):
    """Counts over a text."""

    characters: int
    words: int
    lines: int
    sentences: int


class FileSummary(TypedDict):
    """A file and what it says in short."""

    path: str
    summary: str


class Comparison(TypedDict):
    """How two texts differ; `similarity` from 0 to 1, the others in lines."""

    equal: bool
    similarity: float
    only_in_a: int
    only_in_b: int
    diff: str


@tool(effect=Effect.PURE)
def text_statistics(text: str) -> TextStatistics:
    """Count the characters, words, lines and sentences of a text.

    Args:
        text: the text itself, not the name of a file
    """
    return {
        "characters": len(text),
        "words": len(text.split()),
        "lines": count_lines(text),
        "sentences": len(sentences_of(text)),
    }


@tool(effect=Effect.PURE)
def summarize(text: str, sentences: int = 3) -> str:
    """Summarise a text by its most telling sentences, in their order (extractive, no model).

    Args:
        text: the text itself, not the name of a file
        sentences: how many to keep
    """
    if sentences < 1:
        raise ToolError("invalid_arguments", "a summary has at least one sentence")
    if not text.strip():
        raise ToolError("empty_text", "there is no text to summarise")
    return " ".join(key_sentences(text, sentences)) or text.strip()[:500]


@tool(effect=Effect.PURE)
def compare_texts(a: str, b: str) -> Comparison:
    """Compare two texts line by line.

    Similarity is the share of lines that both have: twice their number over the lines of both.
    For long or very repetitive texts the order of lines does not count.

    Args:
        a: the first text
        b: the second text
    """
    first, second = split_lines(a), split_lines(b)
    total = len(first) + len(second)
    if a == b:
        return {"equal": True, "similarity": 1.0, "only_in_a": 0, "only_in_b": 0, "diff": ""}
    counts, others = Counter(first), Counter(second)
    pairs = sum(count * others[line] for line, count in counts.items())
    if total > _DIFF_LINES or pairs > _DIFF_PAIRS:
        common = sum((counts & others).values())
        diff = ["(the texts are too long, or too repetitive, for a diff in order)"]
    else:
        blocks = difflib.SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks()
        common = sum(block.size for block in blocks)
        diff = list(difflib.unified_diff(first, second, "a", "b", lineterm="", n=1))
    if first == second:
        diff = ["(only the ends of lines or of the text differ)"]
    if len(diff) > _SHOWN_DIFF:
        diff = [*diff[:_SHOWN_DIFF], f"(and {len(diff) - _SHOWN_DIFF} more lines)"]
    return {
        "equal": False,
        "similarity": round(2 * common / total, 4) if total else 0.0,
        "only_in_a": len(first) - common,
        "only_in_b": len(second) - common,
        "diff": "\n".join(line[:_SHOWN_LINE] for line in diff),
    }


def text_tools(workspace: Workspace) -> tuple[Tool, ...]:
    """The tools for texts, and for the text files of `workspace`."""

    @tool(effect=Effect.READ)
    def summarize_file(path: str, sentences: int = 3) -> FileSummary:
        """Summarise a text file by its most telling sentences (extractive, no model).

        Args:
            path: relative to the workspace
            sentences: how many to keep
        """
        text = workspace.read_text(path)
        summary = summarize.function(text, sentences) if text.strip() else "(empty)"
        return {"path": workspace.relative(workspace.resolve(path)), "summary": str(summary)}

    return text_statistics, summarize, summarize_file, compare_texts
