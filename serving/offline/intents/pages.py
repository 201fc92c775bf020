"""Fetch pages, describe and compare them."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.serving.offline.clause import Clause
from treadle.serving.offline.draft import Draft, listed, reference, shown
from treadle.serving.offline.intents.comparing import compare_contents
from treadle.serving.offline.sources import page
from treadle.serving.offline.vocabulary import ASCENDING, DESCENDING, LENGTHS, PREPARATIONS

_COMPARE = frozenset({"compare", "compared", "comparison", "which", "versus", "vs", "rank", "sort",
                      "differ", "difference", "diff", "contrast", "same", "identical",
                      "similar"})  # fmt: skip
_TEXT = frozenset({"show", "print", "display", "text", "content", "contents", "say", "says"})


def fetch_pages(clause: Clause) -> Draft | None:
    """Fetch every page that the request names, and compare them where it asks for that."""
    urls = clause.targets.urls
    if not urls:
        return None
    draft = Draft()
    steps = [page(draft, url) for url in urls]
    ordered = clause.has(_COMPARE | ASCENDING | DESCENDING | LENGTHS)
    if len(urls) > 1 and ordered:
        return _compare(draft, clause, steps)
    for url, step in zip(urls, steps, strict=True):
        draft.say(f"{shown(url)}: {_facts(clause, step)}.")
        if clause.has(_TEXT) and not clause.measures:
            draft.say(reference(step, ".text"))
    draft.preparatory = clause.has(PREPARATIONS) and not clause.measures
    return draft


def _facts(clause: Clause, step: str) -> str:
    fields = [field for field in clause.measures if field in ("words", "bytes")]
    if clause.has({"title", "titled"}):
        return f'the title is "{reference(step, ".title")}"'
    if clause.has({"status"}):
        return f"status {reference(step, '.status')}"
    if fields:
        return listed([f"{reference(step, f'.{field}')} {field}" for field in fields])
    return (
        f'"{reference(step, ".title")}", status {reference(step, ".status")}, '
        f"{reference(step, '.words')} words, {reference(step, '.bytes')} bytes"
    )


def _compare(draft: Draft, clause: Clause, steps: list[str]) -> Draft:
    field = "bytes" if "bytes" in clause.measures else "words"
    smallest = any(word in ASCENDING for word in clause.words)
    records: list[JsonValue] = [reference(step) for step in steps]
    args: dict[str, JsonValue] = {"records": records, "by": field}
    if smallest:
        args["descending"] = False
    rank = draft.step("rank_pages", "sort_records", args)
    line = "{index}. {url}: {words} words, {bytes} bytes"
    table = draft.step("pages", "render_list", {"items": reference(rank), "line": line})
    draft.say(
        f"{reference(rank, '[0].url')} has the {'fewest' if smallest else 'most'} {field} "
        f"({reference(rank, f'[0].{field}')}):\n{reference(table)}"
    )
    asked = clause.has({"compare", "differ", "difference", "diff", "same", "identical", "similar"})
    if len(steps) == 2 and asked and not clause.measures:
        compared = compare_contents(clause)
        if compared is not None:
            renamed = [step for step in compared.steps if step not in draft.steps]
            draft.steps.extend(renamed)
            draft.say(compared.answer)
    return draft
