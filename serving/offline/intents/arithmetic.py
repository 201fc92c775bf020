"""Arithmetic: "what is 17 * 23", "15% of 240", "is 17*23 more than 390?"."""

from __future__ import annotations

from treadle.core.json_value import JsonValue
from treadle.serving.offline.clause import Clause
from treadle.serving.offline.draft import Draft, reference, shown
from treadle.serving.offline.expression import Expression, expressions
from treadle.serving.offline.token import Kind, Token

_MORE = frozenset({"more", "greater", "larger", "bigger", "higher", "less", "fewer", "smaller",
                   "lower", "equal", "equals", "exceed", "exceeds", "same", "below", "above",
                   "or"})  # fmt: skip


def calculate(clause: Clause) -> Draft | None:
    """Compute every expression of the request; compare two where it asks for that."""
    if clause.targets.files and not clause.inherited:
        return None
    found = expressions(clause.tokens)
    computed = [each for each in found if each.computed]
    if not computed:
        return _percentage(clause, found) or _compare_numbers(clause, found)
    draft = Draft()
    if len(found) == 2 and _compares(clause.tokens[found[0].end : found[1].start], clause):
        return _comparison(draft, found[0], found[1])
    for each in computed:
        step = draft.step("calc", "calculate", {"expression": each.text})
        draft.say(f"{shown(each.spoken, 200)} = {reference(step)}")
    return draft


def _percentage(clause: Clause, found: list[Expression]) -> Draft | None:
    """ "what percentage is 30 of 120", "what percent of 120 is 30"."""
    asked = clause.has({"percent", "percentage"}) and clause.has({"what", "which"})
    if len(found) != 2 or not asked or clause.targets.any:
        return None
    part, whole = found
    if clause.says("percent of", "percentage of"):
        part, whole = whole, part
    draft = Draft()
    expression = f"({part.text}) / ({whole.text}) * 100"
    step = draft.step("calc", "calculate", {"expression": expression})
    draft.say(f"{shown(part.spoken)} is {reference(step)} percent of {shown(whole.spoken)}")
    return draft


def _compare_numbers(clause: Clause, found: list[Expression]) -> Draft | None:
    """ "which is larger, 3.11 or 3.9"."""
    asked = clause.has(
        {"larger", "bigger", "greater", "smaller", "less", "more", "higher", "lower"}
    )
    named = clause.targets
    if len(found) != 2 or not asked or named.files or named.sets or named.urls or named.texts:
        return None
    return _comparison(Draft(), found[0], found[1])


def _compares(between: tuple[Token, ...], clause: Clause) -> bool:
    symbols = {token.text for token in between if token.kind is Kind.OPERATOR}
    if symbols & {"<", ">", "="}:
        return True
    words = {token.word for token in between}
    asks = bool(clause.tokens) and clause.has({"is", "which", "compare", "does", "are"})
    return asks and bool(words & (_MORE | {"than"}))


def _comparison(draft: Draft, left: Expression, right: Expression) -> Draft:
    first, second = _value(draft, left), _value(draft, right)
    difference = draft.step(
        "difference", "calculate", {"expression": f"({left.text}) - ({right.text})"}
    )
    said = [shown(left.spoken, 200), shown(right.spoken, 200)]
    records: list[JsonValue] = [
        {"expression": said[0], "value": first},
        {"expression": said[1], "value": second},
    ]
    rank = draft.step("larger", "sort_records", {"records": records, "by": "value"})
    values = [
        f"{text} = {value}" if each.computed else text
        for text, value, each in zip(said, (first, second), (left, right), strict=True)
    ]
    draft.say(
        f"{values[0]}, compared with {values[1]}: "
        f"the larger is {reference(rank, '[0].expression')} "
        f"({said[0]} minus {said[1]} is {reference(difference)}; 0 means that they are equal)."
    )
    return draft


def _value(draft: Draft, expression: Expression) -> JsonValue:
    """A plain number as it is, everything else by a step."""
    text = expression.text
    if not expression.computed and text.isascii() and text.isdigit():
        return int(text)
    return reference(draft.step("calc", "calculate", {"expression": text}))
