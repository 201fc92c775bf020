"""Summarise files, sets of files, pages and quoted texts, extractively."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.serving.offline.clause import Clause
from treadle.serving.offline.draft import Draft, escaped, reference, shown
from treadle.serving.offline.sources import members, named, page, per_pattern, text_of_file

_SUMMARISE = frozenset(
    {"summarise", "summarize", "summarised", "summarized", "summarising", "summarizing",
     "summary", "gist", "tldr", "tl_dr", "condense", "recap", "abstract", "outline", "synopsis",
     "overview", "digest", "shorten", "essence", "takeaway", "highlight", "nutshell", "précis"}
)  # fmt: skip
_PHRASES = ("key points", "main points", "tl dr", "in short", "in brief", "boil down", "sum up",
            "about what", "main ideas", "key ideas", "main idea", "key takeaways", "brief of",
            "most important sentences", "important points", "briefly describe")  # fmt: skip


def asks_for_summary(clause: Clause) -> bool:
    """Whether the request is for a summary."""
    about = (
        clause.says("about")
        and not clause.says("what about", "how about")
        and clause.has({"what"})
        and not clause.measures
    )
    return (
        clause.has(_SUMMARISE)
        or clause.says(*_PHRASES)
        or about
        or (clause.says("sum") and clause.says("up"))
    )


def summarise(clause: Clause) -> Draft | None:
    """Summaries of everything that the request names."""
    targets = clause.targets
    if not targets.any or not asks_for_summary(clause):
        return None
    draft = Draft()
    sentences = _sentences(clause)
    for file in targets.files:
        text = reference(text_of_file(draft, file))
        _one(draft, shown(file.path), text, sentences)
    for url in targets.urls:
        _one(draft, shown(url), reference(page(draft, url), ".text"), sentences)
    for files, pattern in per_pattern(targets):
        paths = members(draft, files, pattern)
        _each(draft, paths, shown(named(files, pattern)), sentences)
    if not draft.steps:
        for text in targets.texts:
            _one(draft, f'"{shown(text, 40)}"', escaped(text), sentences)
    return draft


def _one(draft: Draft, name: str, text: JsonValue, sentences: int) -> None:
    summary = draft.step("summary", "summarize", {"text": text, "sentences": sentences})
    draft.say(f"{name} in short: {reference(summary)}")


def _each(draft: Draft, paths: str, what: str, sentences: int) -> None:
    args: dict[str, JsonValue] = {"path": "${item}", "sentences": sentences}
    summaries = draft.step("summaries", "summarize_file", args, for_each=reference(paths))
    args = {"items": reference(summaries), "line": "- {path}: {summary}"}
    rendered = draft.step("shown", "render_list", args)
    draft.say(f"The {what} in short:\n{reference(rendered)}")


def _sentences(clause: Clause) -> int:
    units = {"sentence", "bullet", "point", "line", "takeaway", "highlight"}
    number = clause.number_before(units)
    if number:
        return min(number, 50)
    if clause.says("a sentence", "single sentence", "one line", "one liner"):
        return 1
    if clause.has({"paragraph", "detailed", "long"}):
        return 6
    return 3
