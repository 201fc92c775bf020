"""Names that could be taken for other names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from treadle.tools.mcp.scan.characters import spelled
from treadle.tools.mcp.scan.finding import Finding, Severity

TOOL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
"""What the protocol allows, but shorter: the server's name stands before it."""

_MOST_MENTIONS = 20

# Look-alikes within ASCII and from the alphabets nearest to it (Unicode Technical Standard 39,
# section 4, has the full table; other letters do not get past TOOL_NAME anyway).
_ALIKE = str.maketrans(
    {
        "0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "2": "z", "8": "b",
        "а": "a", "в": "b", "е": "e", "ѕ": "s", "і": "l", "ј": "j", "к": "k", "м": "m", "н": "h",
        "о": "o", "р": "p", "с": "c", "т": "t", "у": "y", "х": "x", "ԁ": "d", "ԛ": "q", "ԝ": "w",
        "α": "a", "β": "b", "ε": "e", "η": "n", "ι": "l", "κ": "k", "ν": "v", "ο": "o", "ρ": "p",
        "τ": "t", "υ": "u", "χ": "x", "ı": "l", "ɡ": "g", "ո": "n", "ս": "u", "օ": "o",
    }
)  # fmt: skip


def skeleton(name: str) -> str:
    """What `name` looks like: equal for names that a reader takes for each other."""
    folded = unicodedata.normalize("NFKD", name).casefold()
    plain = "".join(each for each in folded if not unicodedata.combining(each))
    plain = re.sub(r"[\s._\-]+", "", plain).translate(_ALIKE)
    return plain.replace("rn", "m").replace("vv", "w").replace("cl", "d")


def check_names(names: Iterable[str]) -> list[Finding]:
    """What is wrong with the names of one server's tools, among themselves."""
    found: list[Finding] = []
    seen: dict[str, str] = {}
    for name in names:
        place = f"tool '{spelled(name)[:80]}', name"
        if not TOOL_NAME.fullmatch(name):
            message = "no name: letters, digits, '_', '-' and '.', 64 at most"
            found.append(Finding("bad_name", Severity.SEVERE, place, message))
        looks = skeleton(name)
        if looks in seen:
            message = f"looks like '{spelled(seen[looks])[:80]}' of the same server"
            found.append(Finding("confusable_name", Severity.SEVERE, place, message))
        seen.setdefault(looks, name)
    return found


def check_shadowing(
    server: str, descriptions: Mapping[str, str], others: Mapping[str, Iterable[str]]
) -> list[Finding]:
    """Tools of `server` that could be taken for those of others, or that speak of them.

    descriptions: by tool name. others: the tool names of each other server, and under "" those
    that are Treadle's or the host's own.
    """
    looks = {
        skeleton(name.rpartition(".")[2] if not owner else name): (owner, name)
        for owner, names in others.items()
        for name in names
    }
    servers = {skeleton(owner): owner for owner in others if owner}
    found: list[Finding] = []
    if skeleton(server) in servers:
        message = f"looks like the server '{servers[skeleton(server)]}'"
        found.append(Finding("confusable_name", Severity.SEVERE, "the server's name", message))
    for name, description in descriptions.items():
        found += _shadowed(name, looks)
        found += _mentions(name, description, descriptions, others)
    return found


def _shadowed(name: str, looks: Mapping[str, tuple[str, str]]) -> list[Finding]:
    place = f"tool '{spelled(name)[:80]}', name"
    own = skeleton(name)
    if own in looks:
        owner, other = looks[own]
        whose = f"the server '{owner}'" if owner else "Treadle"
        same = "the same as" if other.rpartition(".")[2] == name else "looks like"
        message = f"{same} '{other}' of {whose}"
        return [Finding("shadowing", Severity.SEVERE, place, message)]
    for other_look, (owner, other) in looks.items():
        if _one_edit_apart(own, other_look):
            whose = f"the server '{owner}'" if owner else "Treadle"
            message = f"one letter from '{other}' of {whose}"
            return [Finding("confusable_name", Severity.SEVERE, place, message)]
    return []


def _mentions(
    name: str, description: str, own: Mapping[str, str], others: Mapping[str, Iterable[str]]
) -> list[Finding]:
    words = set(re.findall(r"[A-Za-z0-9_][A-Za-z0-9_.-]*[A-Za-z0-9_]", description))
    found: list[Finding] = []
    for owner, names in others.items():
        for other in names:
            full = f"{owner}.{other}" if owner else other
            # A single plain word such as `search` is language, not the name of a tool.
            distinct = bool(re.search(r"[_.-]|[a-z][A-Z]", other)) and other not in own
            if (full in words and owner) or (distinct and other in words):
                message = f"speaks of '{full}', a tool that is not its server's"
                place = f"tool '{spelled(name)[:80]}', description"
                found.append(Finding("shadowing", Severity.SEVERE, place, message))
                if len(found) >= _MOST_MENTIONS:
                    return found
    return found


def _one_edit_apart(one: str, other: str) -> bool:
    """Whether one insertion, deletion, replacement or swap makes one of the other; short no."""
    if min(len(one), len(other)) < 6 or abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rest, other_rest = one[start:], other[start:]
    if len(rest) == len(other_rest):
        swapped = rest[1:2] + rest[:1] + rest[2:] == other_rest
        return rest[1:] == other_rest[1:] or swapped
    longer, shorter = sorted((rest, other_rest), key=len, reverse=True)
    return longer[1:] == shorter
