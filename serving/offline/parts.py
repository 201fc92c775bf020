"""The parts of a task, and what each of them is about."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from treadle.serving.offline.clause import Clause
from treadle.serving.offline.clauses import is_filler, is_preamble, split
from treadle.serving.offline.intents.remembering import MemoryRequest, memory_request
from treadle.serving.offline.scan import MAX_TOKENS, plain, scan
from treadle.serving.offline.targets import Targets
from treadle.serving.offline.token import Kind, Token

_UNSERVED = frozenset(
    {"translate", "delete", "remove", "send", "create", "make", "book", "play", "draw", "install",
     "run", "execute", "rename", "move", "copy", "email", "plot", "buy", "sing", "edit", "replace",
     "generate", "build", "deploy", "remind", "schedule", "commit", "push", "post", "upload",
     "rewrite", "refactor", "fix", "write", "convert", "append", "overwrite", "modify", "implement"}
)  # fmt: skip
"""First words of requests that no reading tool can serve, whatever else they name."""
_COMPARING = frozenset(
    {"which", "compare", "longer", "shorter", "longest", "shortest", "larger", "smaller", "bigger",
     "more", "fewer", "differ", "difference", "same", "rank", "sort", "together", "combined",
     "identical", "total", "biggest", "largest", "smallest", "most"}
)  # fmt: skip
LONGEST_CLAUSE = 400
"""Tokens; a longer part is not looked into."""
_MAX_PARTS = 200
_GIVEN_TEXT = re.compile(
    r"[^:\n]{0,80}\b(?:summar\w+|condense|gist|tl;?dr|shorten|count|how many|statistics|recap)\b"
    r"[^:\n]{0,80}\b(?:text|following|this|passage|paragraph|sentence)s?\b[^:\n]{0,20}:\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the task; `source` is its text, `start` and `end` where that stands."""

    clause: Clause
    source: str
    unserved: bool
    start: int = 0
    end: int = 0
    memory: MemoryRequest | None = None


def parts_of(task: str) -> list[Part]:
    """In the order of the task; those without targets of their own have an earlier part's."""
    given = _GIVEN_TEXT.match(plain(task[:2000]))
    if given and len(task) > given.end() + 20:
        return [_given_text(task, given.end())]
    tokens = scan(task)
    pieces = [
        piece
        for piece in split(tokens)
        if not is_filler(piece) or memory_request(task[piece[0].start : piece[-1].end])
    ]
    parts: list[Part] = []
    rest = pieces[_MAX_PARTS:]
    beyond = tokens[-1].end if len(tokens) > MAX_TOKENS - 10 else 0
    for piece in pieces[:_MAX_PARTS]:
        source = task[piece[0].start : piece[-1].end]
        clause = Clause.of(piece) if len(piece) <= LONGEST_CLAUSE else Clause(())
        place = piece[0].start, piece[-1].end
        parts.append(Part(clause, source, _is_unserved(piece), *place))
    if rest:
        start = rest[0][0].start
        parts.append(Part(Clause(()), task[start:], True, start, len(task)))
    elif beyond and task[beyond:].strip():
        parts.append(Part(Clause(()), task[beyond:], True, beyond, len(task)))
    return _with_targets(parts)


def _given_text(task: str, start: int) -> Part:
    """ "Summarise this text: ...": everything after the colon is the text."""
    text = task[start:].strip().strip("\"'")
    quoted = Token(Kind.QUOTED, text, start, len(task), quoted=True)
    tokens = (*scan(task[:start]), quoted)
    return Part(Clause(tokens, Targets(texts=(text,))), task, unserved=False)


def _is_unserved(tokens: tuple[Token, ...]) -> bool:
    leading = [token.word for token in tokens[:6] if token.word]
    first = next((w for w in leading if w not in {"please", "can", "could", "you", "would", "i",
        "now",
                                                  "want", "to", "and", "then", "also", "kindly",
                                                  "need",
                                                  "a", "me", "help"}), "")  # fmt: skip
    return (
        first in _UNSERVED
        and not (first == "make" and "summary" in {t.word for t in tokens})
        and not (
            first in {"write", "create", "generate"}
            and {"summary", "list"} & {t.word for t in tokens}
        )
    )


def _with_targets(parts: list[Part]) -> list[Part]:
    """`parts` without preambles; those without targets of their own have an earlier part's."""
    placed: list[Part] = []
    last, folder = Targets(), ""
    measures: tuple[str, ...] = ()
    forward: list[int] = []
    lead: tuple[Token, ...] = ()
    seen: list[Targets] = []
    for at, part in enumerate(parts):
        clause = part.clause
        own = clause.targets
        preamble = at + 1 < len(parts) and is_preamble(clause.tokens) and (own.any or own.folder)
        if own.sets and folder and all(each.folder == "." for each in own.sets):
            own = replace(own, sets=tuple(replace(each, folder=folder) for each in own.sets))
            clause = replace(clause, targets=own)
        if preamble:
            last, folder = own, own.folder if not own.files else ""
            seen.append(own)
            if own.tables and clause.has({"each", "every", "by", "per"}):
                lead = clause.tokens
            continue
        if lead:
            clause = replace(clause, tokens=(*clause.tokens, *lead))
            lead = ()
        if not own.any:
            if last.any:
                several = _several(seen) if clause.has(_COMPARING) and _single(last) else last
                clause = clause.about(several, measures)
            else:
                forward.append(len(placed))
        elif last.any and _points_back(clause):
            clause = replace(clause, targets=_union(last, own))
            last = clause.targets
        else:
            last = own
        if own.any:
            seen.append(own)
        measures = clause.measures or measures
        placed.append(replace(part, clause=clause))
    for at in forward:
        following = next((p.clause for p in placed[at + 1 :] if p.clause.targets.any), None)
        if following is not None and placed[at].clause.tokens:
            clause = placed[at].clause.about(following.targets, following.measures)
            placed[at] = replace(placed[at], clause=clause)
    return placed


def _single(targets: Targets) -> bool:
    return len(targets.files) + len(targets.urls) + len(targets.sets) + len(targets.texts) == 1


def _several(seen: list[Targets]) -> Targets:
    """All targets so far that are of the last one's sort, for "which of them is longer"."""
    together = seen[-1]
    for earlier in reversed(seen[:-1]):
        same = bool(earlier.files) == bool(together.files) and bool(earlier.urls) == bool(
            together.urls
        )
        if not same:
            break
        together = _union(earlier, together)
    return together


def _points_back(clause: Clause) -> bool:
    return clause.has({"compare", "versus", "than", "differ", "vs"}) and clause.has(
        {"it", "them", "that", "those", "these"}
    )


def _union(first: Targets, second: Targets) -> Targets:
    return Targets(
        tuple(dict.fromkeys((*first.files, *second.files))),
        tuple(dict.fromkeys((*first.sets, *second.sets))),
        tuple(dict.fromkeys((*first.urls, *second.urls))),
        tuple(dict.fromkeys((*first.texts, *second.texts))),
        second.folder or first.folder,
    )
