"""Whether a sentence states something, or only reports, doubts, wishes or supposes it."""

from __future__ import annotations

import re

# What a speaker says that they said themselves is said.
_OWN_WORDS = re.compile(
    r"\bI(?:'ve| have)? (?:said|told (?:you|him|her|them|everybody|everyone)|mentioned)\b",
    re.IGNORECASE,
)

# Anywhere before it: a report, a doubt, a condition, a wish. Precision before recall: what is not
# taken for a fact is still there as it was said.
_UNSURE = re.compile(
    r"\b(?:sa(?:id|ys?|ying)|t(?:old|ells?|elling)|claim(?:s|ed|ing)?|th(?:inks?|ought|inking)|"
    r"believ(?:e[sd]?|ing)|assum(?:e[sd]?|ing)|guess(?:es|ed)?|heard|hears?|rumou?rs?|alleged(?:ly)?|"
    r"suppos(?:e[sd]?|edly|ing)|pretend(?:s|ed|ing)?|imagin(?:e[sd]?|ing)|dream(?:s|t|ed|ing)?|"
    r"wish(?:es|ed)?|hop(?:e[sd]?|ing)|wonder(?:s|ed|ing)?|doubt(?:s|ed|ful)?|den(?:y|ies|ied)|"
    r"insist(?:s|ed)?|joke[sd]?|joking|lie[sd]?|lying|wrote|writes|asked|asks|"
    r"if|whether|unless|would|could|should|might|perhaps|maybe|possibly|probably|until|once|"
    r"nobody|no one|did|do|does|not|don't|doesn't|didn't|isn't|wasn't|aren't|never|"
    r"(?:false|untrue|wrong|impossible|unlikely|likely|possible) that|as though|according to)\b",
    re.IGNORECASE,
)
# A clause of its own begins anew what is denied or asked: "That is not so, I live in Rome".
_CLAUSE = re.compile(r"[,;]|\b(?:and|but|so|because)\b", re.IGNORECASE)
_DENIAL = re.compile(
    r"\b(?:nobody|no one|did|do|does|not|\w+n't|never|once|until)\b", re.IGNORECASE
)
_LABELS = frozenset(("update", "note", "correction", "edit", "fyi", "ps", "btw", "also", "fact"))
_AFTER = re.compile(
    r"\b(?:if|unless)\b|, ?(?:\w{1,20} ){1,2}?(?:said|says|claims|claimed|thinks|lied|joked)\b|"
    r"\b(?:in my dreams|just kidding|just joking)\b",
    re.IGNORECASE,
)
# "A story where I live in Goa", "how I like tea".
_SUBORDINATE = re.compile(r"\b(?:where|how|what|which)\s$", re.IGNORECASE)
_OPENING, _CLOSING = re.compile(r"(?:(?<=\s)|(?<=^))['‘](?=\w)"), re.compile(r"['’](?!\w)")
_MOST = 400


def asserted(sentence: str, start: int, rest: str = "") -> bool:
    """Whether what begins at `start` is stated by whoever says the sentence, as a fact."""
    before = sentence[max(0, start - _MOST) : start]
    if before.count('"') % 2 == 1 or before.count("“") != before.count("”"):
        return False
    if len(_OPENING.findall(before)) > len(_CLOSING.findall(before)):
        return False
    if _SUBORDINATE.search(before) or _AFTER.search(rest):
        return False
    before = _OWN_WORDS.sub(" ", before)
    label = before.rstrip()
    if label.endswith(":") and label[:-1].strip().casefold() not in _LABELS:
        return False
    position = 0
    for boundary in _CLAUSE.finditer(before):
        position = boundary.end()
    clause, earlier = before[position:], _DENIAL.sub(" ", before[:position])
    return not (_UNSURE.search(clause) or _UNSURE.search(earlier))
