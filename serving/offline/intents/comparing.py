"""Compare contents: "what differs between a.txt and b.txt", "are 'x' and 'y' the same"."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.serving.offline.clause import Clause
from treadle.serving.offline.draft import Draft, escaped, reference, shown
from treadle.serving.offline.sources import page, text_of_file

_CONTENT = frozenset(
    {"differ", "difference", "diff", "different", "identical", "same", "similar", "similarity",
     "equal", "equality", "match", "changed", "change", "content", "alike"}
)  # fmt: skip


def compare_content(clause: Clause) -> Draft | None:
    """Compare the contents of two things, or of one with each of the others."""
    asked = clause.has(_CONTENT) or (clause.has({"compare"}) and len(clause.targets.texts) > 1)
    if not asked or (clause.measures and clause.measures != ("modified",)):
        return None
    return compare_contents(clause)


def compare_contents(clause: Clause) -> Draft | None:
    """The comparison itself; None where fewer than two things are named."""
    draft = Draft()
    named: list[tuple[str, JsonValue]] = [
        (shown(file.path), reference(text_of_file(draft, file))) for file in clause.targets.files
    ]
    named += [(shown(url), reference(page(draft, url), ".text")) for url in clause.targets.urls]
    if not named:
        named = [(f'"{shown(text, 40)}"', escaped(text)) for text in clause.targets.texts]
    if len(named) < 2:
        return None
    first_name, first = named[0]
    for name, text in named[1:]:
        compared = draft.step("compared", "compare_texts", {"a": first, "b": text})
        draft.say(
            f"{first_name} and {name}: identical: {reference(compared, '.equal')}; similarity "
            f"{reference(compared, '.similarity')} (1 is the same text); lines only in "
            f"{first_name}: {reference(compared, '.only_in_a')}, only in {name}: "
            f"{reference(compared, '.only_in_b')}."
        )
        if clause.has({"differ", "difference", "diff", "change", "changed"}):
            draft.say(f"{reference(compared, '.diff')}")
    return draft
