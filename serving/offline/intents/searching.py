"""Search files: "find TODO in all python files", "which files mention 'async def'"."""

from __future__ import annotations

import itertools

from treadle.core.json_value import JsonValue
from treadle.serving.offline.clause import Clause
from treadle.serving.offline.draft import Draft, escaped, reference, shown
from treadle.serving.offline.sources import named, path_of, per_pattern
from treadle.serving.offline.targets import HERE, FileSet
from treadle.serving.offline.token import Kind, Token
from treadle.serving.offline.vocabulary import (
    ASCENDING,
    DESCENDING,
    EXTENSIONS,
    FILE_NOUNS,
    STOP_WORDS,
)

_DIRECT = frozenset(
    {"mention", "contain", "containing", "mentioning", "include", "including", "reference",
     "referencing", "import", "importing", "use", "using", "call", "define", "says", "mentioned",
     "matching", "match"}
)  # fmt: skip
"""Words directly before what is searched for."""

_SEARCH = frozenset(
    {"find", "search", "grep", "locate", "occurrence", "instance", "hit", "ripgrep", "appearance",
     "look", "rg", "scan"}
)  # fmt: skip
"""Words before it, perhaps with "for", "of" or "the word" in between."""

_APPEAR = frozenset({"appear", "occur", "mentioned", "show", "used", "defined", "found", "come",
                     "happen", "stand", "present", "contained"})  # fmt: skip
"""Words directly after it."""

_UNTIL = frozenset({"in", "within", "across", "inside", "from", "under", "on", "at", "throughout",
                    "anywhere", "among", "and", "through", "is", "are", "per", "with"})  # fmt: skip
_LEAD = frozenset(
    {"for", "of", "the", "word", "string", "text", "phrase", "term", "all", "any", "every", "a",
     "an", "line", "with", "that", "occurrence", "instance", "where", "to", "times", "up", "out",
     "keyword", "literal", "expression", "regex", "pattern", "containing", "contain", "me",
     "mention", "mentions", "which", "does", "is", "do", "are", "says", "marked", "exact", "long"}
)  # fmt: skip
_TAIL = frozenset({"comment", "occurrence", "note", "marker", "remark", "entry", "statement",
    "string",
                   "word", "call"})  # fmt: skip
_PLACES = (Kind.GLOB, Kind.PATH)
_COUNT = frozenset({"many", "count", "often", "number", "tally", "times", "total", "frequency"})


def search_files(clause: Clause) -> Draft | None:
    """Search the files that the request names, or all of them."""
    if clause.targets.urls:
        return None
    needle = _needle(clause)
    if needle is None:
        return None
    folder = clause.targets.folder
    if clause.has({"grep", "rg", "ripgrep"}) and not clause.targets.any and needle.count(" ") == 1:
        # As in a shell: "grep TODO src".
        needle, folder = needle.split(" ")
    elif not folder and not clause.targets.any:
        folder = _last_place(clause)
    draft = Draft()
    regex = clause.has({"regex", "regexp"}) or clause.says("regular expression")
    args: dict[str, JsonValue] = {"text": escaped(needle)}
    if regex:
        args["regex"] = True
    if clause.says("case sensitive", "case-sensitive", "exact case", "same case") or clause.has(
        {"case-sensitive", "case-sensitively"}
    ):
        args["ignore_case"] = False
    for where, place in _places(draft, clause, needle, folder):
        hits = draft.step("hits", "search_files", {**args, **where})
        _answer(draft, clause, hits, needle, place)
    return draft


def _last_place(clause: Clause) -> str:
    """The folder of "find TODO in src", where no word says that it is one."""
    words = [token for token in clause.tokens if token.kind is Kind.WORD and token.word]
    if len(words) < 2 or words[-2].word not in {"in", "under", "inside", "within"}:
        return ""
    last = words[-1]
    return "" if last.word in STOP_WORDS | HERE else last.text


def _places(
    draft: Draft, clause: Clause, needle: str, folder: str
) -> list[tuple[dict[str, JsonValue], str]]:
    targets = clause.targets
    places: list[tuple[dict[str, JsonValue], str]] = [
        ({"pattern": path_of(draft, file)}, shown(file.path))
        for file in targets.files
        if file.path != needle
    ]
    for files, pattern in per_pattern(targets):
        if pattern.removeprefix("**/") == needle:
            continue
        where: dict[str, JsonValue] = {"pattern": escaped(pattern)}
        if files.folder != ".":
            where["folder"] = escaped(files.folder)
        places.append((where, shown(named(files, pattern))))
    if places:
        return places
    everything = FileSet(("**/*",), folder or ".")
    where = {"folder": escaped(folder)} if folder else {}
    return [(where, shown(everything.spoken))]


def _answer(draft: Draft, clause: Clause, hits: str, needle: str, place: str) -> None:
    count = draft.step("hit_count", "count_items", {"items": reference(hits)})
    head = f'"{shown(needle, 60)}" was found on {reference(count)} line(s) in {place}'
    if clause.has(_COUNT) and not clause.has({"which", "list", "show", "where"}):
        draft.say(f"{head}.")
        return
    args: dict[str, JsonValue] = {"items": reference(hits), "line": "- {path}:{line}: {text}"}
    lines = draft.step("found", "render_list", args)
    draft.say(f"{head}:\n{reference(lines)}")


def _needle(clause: Clause) -> str | None:
    tokens = clause.tokens
    if clause.says("there any") and not clause.has(FILE_NOUNS | {"difference"}):
        at = clause.position({"any"})
        return _after(clause, tokens[at + 1 :])
    for at, token in enumerate(tokens):
        if not token.word or token.quoted:
            continue
        if token.stem in {"search", "scan", "check", "grep"} and clause.targets.any:
            # "search *.md for install"
            after = next((k for k in range(at + 1, len(tokens)) if tokens[k].word == "for"), -1)
            if after > 0 and any(t.kind in _PLACES for t in tokens[at:after]):
                return _after(clause, tokens[after + 1 :])
        direct = token.word in _DIRECT or token.stem in _DIRECT
        search = token.stem in _SEARCH or token.word in _SEARCH
        if not direct and not search:
            continue
        if token.word == "look" and not clause.says("look for", "looking for"):
            continue
        if token.word in {"use", "using", "call", "match", "matching", "include", "including"}:
            spoken = clause.has(FILE_NOUNS | {"anything"}) or clause.targets.files
            following = tokens[at + 1] if at + 1 < len(tokens) else None
            kinds = (Kind.GLOB, Kind.NUMBER, Kind.PATH, Kind.URL)
            if not spoken or at == 0 or following is None or following.kind in kinds:
                continue
        found = _after(clause, tokens[at + 1 :])
        if found:
            return found
    return _before_appear(clause) or _quoted_only(clause)


def _after(clause: Clause, tokens: tuple[Token, ...]) -> str | None:
    taken: list[Token] = []
    for token in tokens[:40]:
        if token.text == "-" or (
            token.word and len(token.word) == 1 and not taken and not token.quoted
        ):
            # An option, as in "grep -r".
            continue
        if token.kind in (Kind.COMMA, Kind.STOP, Kind.COLON):
            if taken:
                break
            continue
        if token.quoted:
            return token.text if not taken else _spelled(taken)
        if not taken and (token.word in _LEAD or token.stem in _LEAD):
            continue
        if token.word in _UNTIL or token.word in _COUNT:
            break
        taken.append(token)
        if token.kind is not Kind.WORD:
            break
    while len(taken) > 1 and taken[-1].stem in _TAIL:
        taken.pop()
    if not taken or _is_description(taken):
        return next((t.text for t in tokens if t.kind is Kind.QUOTED), None)
    needle = _spelled(taken)
    plural = len(needle) > 3 and needle[:-1].isupper() and needle.endswith("s")
    return needle[:-1] if plural else needle


def _is_description(taken: list[Token]) -> bool:
    """Whether the words describe files and are nothing to search for."""
    return any(
        token.stem in FILE_NOUNS
        or token.kind in (Kind.GLOB, Kind.NUMBER, Kind.OPERATOR, Kind.DATE)
        or (token.kind is Kind.PATH and token.text.startswith("."))
        or token.word in ASCENDING | DESCENDING
        or token.stem in {"number", "size", "count", "sum", "average", "mean", "difference"}
        or (token.word in EXTENSIONS and len(taken) == 1 and token.word != token.stem)
        for token in taken
    ) or all(token.word in STOP_WORDS for token in taken)


def _before_appear(clause: Clause) -> str | None:
    """The word before "appears", as in "how often does error occur in app.log"."""
    tokens = clause.tokens
    for at, token in enumerate(tokens):
        if token.word in _APPEAR or token.stem in _APPEAR:
            before = tokens[at - 1] if at else None
            if before is None or not clause.has({"often", "times", "where", "many", "does", "is"}):
                return None
            if before.quoted:
                return before.text
            if before.kind is Kind.WORD and before.word not in STOP_WORDS | {"times", "often"}:
                return None if before.stem in FILE_NOUNS else before.text
            return None
    return None


def _quoted_only(clause: Clause) -> str | None:
    """A quoted text beside files: "how many lines with 'x' are in a.txt", "'x' in *.py"."""
    targets = clause.targets
    if targets.texts and not clause.inherited and (targets.files or targets.sets):
        unrelated = {"summarise", "summarize", "compare", "average", "total", "sum", "column", "by"}
        if not clause.has(unrelated):
            return targets.texts[0]
    return None


def _spelled(taken: list[Token]) -> str:
    parts = [taken[0].text]
    for before, token in itertools.pairwise(taken):
        parts.append((" " if token.start > before.end else "") + token.text)
    return "".join(parts)
