"""Which tools belong together, read off their names.

Names of one API begin alike ("github.list_issues", "Weather: forecast", "gitHubListIssues") or end
alike ("list_issues_for_github"). Which it is, and after which word, is found from how many names
share each beginning or end; no naming convention is assumed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence, Set

MOST = 60
"""Tools in a family: a beginning that more share ("get_") says what they do, not whose they are."""

_OWN_WAY = 0.5
_ODD = 0.2
_MOST_NAMES = 0.6
_JOINING = ("for", "of", "in", "on", "by", "from", "via", "with")
_JOINT = "\1"  # stands for a word that joins
_OPENING = 80  # characters of a description in which an API is named

_PART = re.compile(r"[^\W_]+|[\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WITHIN = frozenset(("\0", " ", "_", "-"))  # what stands between the words of one phrase

Key = tuple[str, ...]
Cut = tuple[Key, bool]  # the words up to a cut, and whether it is more than a gap between words


def families(names: Sequence[str], descriptions: Sequence[str]) -> list[Key | None]:
    """The family of each tool, None for one that stands alone."""
    parted = _joined([_PART.findall(_HUMP.sub("\0", name)) for name in names])
    forward = _grouped([_cuts(each) for each in parted])
    backward = _grouped([_cuts(each[::-1]) for each in parted])
    # A convention holds for most names of a collection: the side on which more find siblings.
    found = forward if _alone(forward) <= _alone(backward) else backward
    # Descriptions begin with the API ("Open Weather: the forecast") for nearly all tools or none.
    opened = _grouped([[cut for cut in _cuts(_opening(each)) if cut[1]] for each in descriptions])
    return opened if _alone(opened) <= len(names) * _ODD else found


def _joined(parted: Sequence[list[str]]) -> list[list[str]]:
    """The parts of names; a word that most have within ("list_issues_for_github") only joins."""
    within = Counter(word for parts in parted for word in {each.lower() for each in parts[1:-1]})
    joins = {word for word in _JOINING if within[word] > len(parted) * _MOST_NAMES}
    return [_join(parts, joins) for parts in parted] if joins else [*parted]


def _join(parts: Sequence[str], joins: Set[str]) -> list[str]:
    """`parts` with each such word, and what stands around it, as one part between words."""
    found: list[str] = []
    for place, part in enumerate(parts):
        joins_here = 1 < place < len(parts) - 2 and part.lower() in joins
        if joins_here or (found and found[-1].endswith(_JOINT)):
            found[-1] += _JOINT if joins_here else part
        else:
            found.append(part)
    return found


def _opening(description: str) -> list[str]:
    parts = _PART.findall(description[:_OPENING])
    ends = [place for place, part in enumerate(parts) if ":" in part]
    return parts[: ends[0] + 2] if ends else []


def _cuts(parts: Sequence[str]) -> list[Cut]:
    found: list[Cut] = []
    words: list[str] = []
    for part in parts[:-1]:
        if part[0].isalnum():
            words.append(part.lower())
        elif words:
            found.append((tuple(words), part not in _WITHIN))
    return found


def _grouped(cuts: Sequence[Sequence[Cut]]) -> list[Key | None]:
    marked = Counter(cut for each in cuts for cut in each if cut[1])
    shared = Counter(key for each in cuts for key, _ in each)
    branches = _branches(shared)
    return [_best(each, marked, shared, branches) for each in cuts]


def _best(
    cuts: Sequence[Cut], marked: Counter[Cut], shared: Counter[Key], branches: Counter[Key]
) -> Key | None:
    # Of marked cuts the longest: in "category/api: call" the second.
    for cut in reversed(cuts):
        if cut[1] and 2 <= marked[cut] <= MOST:
            return cut[0]
    # Of gaps the first behind which most names go on in their own way: in "qr code read" not the
    # one after "qr", where all go on with "code", and not a later one, which parts siblings.
    possible = [key for key, _ in cuts if 2 <= shared[key] <= MOST]
    for key in possible:
        if branches[key] >= shared[key] * _OWN_WAY:
            return key
    return possible[0] if possible else None


def _branches(shared: Counter[Key]) -> Counter[Key]:
    """In how many ways the names that share a beginning go on."""
    branches: Counter[Key] = Counter()
    longer: Counter[Key] = Counter()
    for key, names in shared.items():
        branches[key[:-1]] += 1
        longer[key[:-1]] += names
    for key, names in shared.items():
        branches[key] += names - longer[key]  # names that end with the next word
    return branches


def _alone(found: Sequence[Key | None]) -> int:
    return sum(each is None for each in found)
