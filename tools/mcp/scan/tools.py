"""What a server says of its tools, scanned: names, descriptions, schemas, annotations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from treadle.core.json_value import JsonValue
from treadle.tools.mcp.scan.characters import spelled
from treadle.tools.mcp.scan.finding import Finding, Severity
from treadle.tools.mcp.scan.texts import scan_text

LONGEST_DESCRIPTION = 4_000
"""Characters of one description; more than a person reads before saying yes."""

_LONGEST_TEXT = 1_000
_MOST_TEXTS = 2_000
_RUNNERS = frozenset({"npx", "uvx", "pipx", "bunx", "pnpx", "deno"})
_PINNED = re.compile(r".+(?:@\d[\w.+-]*|==\d[\w.+-]*)")


def scan_tool(definition: Mapping[str, JsonValue]) -> list[Finding]:
    """What does not belong into the definition of a tool, in every text of it.

    definition: `name`, `title`, `description`, `inputSchema`, `outputSchema`, `annotations`.
    """
    name = spelled(str(definition.get("name", "")))[:80]
    found: list[Finding] = []
    for number, (path, text) in enumerate(_texts(dict(definition), "")):
        if number >= _MOST_TEXTS:
            found.append(
                Finding(
                    "too_long",
                    Severity.SEVERE,
                    f"tool '{name}'",
                    f"more than {_MOST_TEXTS:,} texts; the rest was not looked at",
                )
            )
            break
        place = f"tool '{name}', {spelled(path)[:200]}"
        found += scan_text(text, place)
        limit = LONGEST_DESCRIPTION if path == "description" else _LONGEST_TEXT
        if len(text) > limit:
            message = f"{len(text):,} characters, more than {limit:,}"
            found.append(Finding("too_long", Severity.WARNING, place, message))
        if text.count("\n\n\n\n\n") or "        " * 8 in text:
            found.append(
                Finding("hidden_characters", Severity.WARNING, place, "blanks that push text away")
            )
    return found


def scan_command(command: str, arguments: Sequence[str]) -> list[Finding]:
    """Whether a command fetches a package of whatever version is the newest."""
    runner = command.rpartition("/")[2]
    if runner not in _RUNNERS:
        return []
    package = next((each for each in arguments if not each.startswith("-") and each != "run"), "")
    if _PINNED.fullmatch(package):
        return []
    return [
        Finding(
            "unpinned_package",
            Severity.WARNING,
            "the command",
            f"{runner} fetches any version of '{spelled(package)[:60]}'; name one, like "
            f"{spelled(package)[:60] or 'package'}@1.2.3",
        )
    ]


def _texts(value: JsonValue, path: str) -> Iterator[tuple[str, str]]:
    """Every text in `value`, keys too: a model reads them all."""
    pending: list[tuple[str, JsonValue]] = [(path, value)]
    while pending:
        place, each = pending.pop()
        if isinstance(each, str):
            yield place, each
        elif isinstance(each, list):
            pending += [(f"{place}[{index}]", item) for index, item in enumerate(each)]
        elif isinstance(each, dict):
            for key, item in each.items():
                if place:  # the fields of a definition are ours
                    yield f"{place}, the key", key
                pending.append((f"{place}.{key}" if place else key, item))
