"""From a task to a plan over the tools on offer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeAlias

from treadle.core.json_value import JsonValue
from treadle.serving.offline.clause import Clause
from treadle.serving.offline.draft import Draft, listed, shown
from treadle.serving.offline.intents.arithmetic import calculate
from treadle.serving.offline.intents.calendar import date_and_time
from treadle.serving.offline.intents.comparing import compare_content
from treadle.serving.offline.intents.listing import exists, list_or_count
from treadle.serving.offline.intents.measuring import measure_files
from treadle.serving.offline.intents.pages import fetch_pages
from treadle.serving.offline.intents.reading import read_files, read_lines
from treadle.serving.offline.intents.remembering import (
    is_personal,
    memory_draft,
    memory_request,
    question_to_memory,
)
from treadle.serving.offline.intents.row_counts import count_rows
from treadle.serving.offline.intents.searching import search_files
from treadle.serving.offline.intents.summarising import summarise
from treadle.serving.offline.intents.tables import ask_tables
from treadle.serving.offline.intents.texts import measure_texts
from treadle.serving.offline.parts import LONGEST_CLAUSE, Part, parts_of
from treadle.serving.offline.targets import Targets
from treadle.serving.offline.token import Kind, Token
from treadle.serving.offline.vocabulary import ANAPHORA, MEASURES
from treadle.serving.offline.wording import UNREAD, capabilities
from treadle.serving.offline.writer import PlanWriter

_Intent: TypeAlias = Callable[[Clause], Draft | None]
_INTENTS: tuple[_Intent, ...] = (
    date_and_time,
    ask_tables,
    count_rows,
    read_lines,
    compare_content,
    summarise,
    search_files,
    measure_texts,
    fetch_pages,
    measure_files,
    exists,
    list_or_count,
    read_files,
    calculate,
)


def plan_task(task: str, offered: Collection[str], earlier: str = "") -> dict[str, JsonValue]:
    """The plan for `task` in its wire form; `earlier` is what the user said before it.

    Any text at all has a plan: what is not understood is named in the answer.
    """
    text = _unquoted(task)
    parts = _for_memory(parts_of(text), text, offered)
    alone = len(parts) == 1 and parts[0].memory is None
    if earlier and alone and not ("recall" in offered and is_personal(parts[0].source)):
        parts = [_continued(parts[0], earlier)]
    writer = PlanWriter()
    unread: list[str] = []
    missing: dict[str, None] = {}
    parts, drafts = _merged(parts, _drafts(parts))
    drafts = [
        question_to_memory(part.source, offered) if draft is None else draft
        for part, draft in zip(parts, drafts, strict=True)
    ]
    for at, (part, draft) in enumerate(zip(parts, drafts, strict=True)):
        if draft is None:
            unread.append(part.source)
            continue
        lacking = [step.tool for step in draft.steps if step.tool not in offered]
        if lacking:
            unread.append(part.source)
            missing |= dict.fromkeys(lacking)
            continue
        follows = at + 1 < len(parts) and parts[at + 1].clause.inherited
        superseded = draft.preparatory and follows and drafts[at + 1] is not None
        writer.add(draft, answered=not superseded)
    if not writer.steps:
        return {"steps": [], "answer": capabilities(task, list(missing))}
    return writer.wire(_about_unread(unread, list(missing)))


def _unquoted(task: str) -> str:
    """`task` without the quotes around all of it."""
    stripped = task.strip()
    mark = stripped[:1]
    if len(stripped) < 3 or mark not in "\"'`" or stripped[-1] != mark or stripped.count(mark) != 2:
        return task
    return stripped[1:-1]


def _about_unread(unread: list[str], missing: list[str]) -> str:
    if not unread:
        return ""
    quoted = [f'"{shown(text, 160)}"' for text in unread[:20]]
    more = f" and {len(unread) - 20} more parts" if len(unread) > 20 else ""
    tools = f" (tools not on offer here: {shown(listed(missing), 200)})" if missing else ""
    return f"Not understood, and not done{tools}: {listed(quoted)}{more}. {UNREAD}"


def _for_memory(parts: list[Part], task: str, offered: Collection[str]) -> list[Part]:
    """`parts` with those marked that memory serves, where it is there. What is to be remembered
    goes on over parts that are no request of their own: "remember that Rex barks. He is old."
    """
    marked: list[Part] = []
    for part in parts:
        request = memory_request(part.source)
        if request is not None and request.tool in offered:
            marked.append(replace(part, memory=request, unserved=False))
            continue
        last = marked[-1] if marked else None
        longer = None if last is None else _longer(last, part, task)
        if longer is None:
            marked.append(part)
        else:
            marked[-1] = longer
    return marked


def _longer(last: Part, part: Part, task: str) -> Part | None:
    """`last` with `part` in what it is to remember; None where the two are not one."""
    remembers = last.memory is not None and last.memory.act == "remember"
    if not remembers or not (part.unserved or draft_for(part.clause) is None):
        return None
    source = task[last.start : part.end]
    request = memory_request(source)
    if request is None or request.act != "remember":
        return None
    return replace(last, source=source, end=part.end, memory=request)


def _drafts(parts: list[Part]) -> list[Draft | None]:
    return [_draft(part) for part in parts]


def _draft(part: Part) -> Draft | None:
    if part.memory is not None:
        return memory_draft(part.memory)
    return None if part.unserved else draft_for(part.clause)


def _merged(parts: list[Part], drafts: list[Draft | None]) -> tuple[list[Part], list[Draft | None]]:
    """Parts that mean nothing alone but something together with the next or the one before."""
    kept_parts: list[Part] = []
    kept: list[Draft | None] = []
    for part, draft in zip(parts, drafts, strict=True):
        before = kept_parts[-1] if kept_parts else None
        failed = draft is None or (bool(kept) and kept[-1] is None)
        if before is None or not failed or part.unserved or before.unserved:
            kept_parts.append(part)
            kept.append(draft)
            continue
        tokens = (*before.clause.tokens, *part.clause.tokens)
        alone = part.clause.inherited or before.clause.inherited
        joined = Clause.of(tokens) if alone and len(tokens) <= LONGEST_CLAUSE else Clause(())
        together = draft_for(joined)
        if together is None:
            kept_parts.append(part)
            kept.append(draft)
            continue
        kept_parts[-1] = replace(before, clause=joined, source=f"{before.source} {part.source}")
        kept[-1] = together
    return kept_parts, kept


def draft_for(clause: Clause) -> Draft | None:
    """What the first intent that understands `clause` makes of it."""
    if not clause.tokens:
        return None
    own = replace(clause, targets=Targets(), inherited=False) if clause.inherited else None
    if own is not None and not clause.has(ANAPHORA | {"by"}):
        # A part of its own, such as "and what is 2+2": it needs no targets.
        draft = _first((date_and_time, calculate), own)
        if draft is not None:
            return draft
    return _first(_INTENTS, clause)


def _first(intents: tuple[_Intent, ...], clause: Clause) -> Draft | None:
    drafts = (intent(clause) for intent in intents)
    return next((draft for draft in drafts if draft is not None and draft.steps), None)


def _continued(part: Part, earlier: str) -> Part:
    """A follow-up ("and by words?", "the same for b.md") on what the user asked before."""
    before = [each for each in parts_of(earlier) if not each.unserved]
    clause = part.clause
    if not before or part.unserved or not clause.tokens:
        return part
    previous = before[-1].clause
    if clause.targets.any:
        if draft_for(clause) is not None and not clause.has({"same"}):
            return part
        kept = tuple(token for token in previous.tokens if not _is_name(token))
        merged = Clause((*kept, *clause.tokens), clause.targets)
    else:
        if draft_for(clause) is not None:
            return part
        targets = _moved(previous.targets, clause)
        merged = Clause((*clause.tokens, *_without_replaced(previous.tokens, clause)), targets)
        alone = clause.about(targets, previous.measures)
        if clause.words[:1] != ("and",) and draft_for(alone) is not None:
            return replace(part, clause=alone)
    return part if draft_for(merged) is None else replace(part, clause=merged)


def _is_name(token: Token) -> bool:
    return token.quoted or token.kind in (Kind.PATH, Kind.GLOB, Kind.URL)


def _without_replaced(tokens: tuple[Token, ...], clause: Clause) -> tuple[Token, ...]:
    """The earlier request without the words that the follow-up says anew."""
    kept: list[Token] = []
    dropping = False
    for token in tokens:
        if token.word in {"by", "per"} and clause.has({"by", "per"}):
            dropping = True
        elif _is_name(token) or token.word in {"in", "from", "of", "where", "for"}:
            dropping = False
        measured = clause.measures and (token.stem in MEASURES or token.word in MEASURES)
        if not dropping and not measured:
            kept.append(token)
    return tuple(kept)


def _moved(targets: Targets, clause: Clause) -> Targets:
    """`targets` in the folder that "and in src?" names."""
    tokens = [token for token in clause.tokens if token.kind in (Kind.WORD, Kind.PATH)]
    places = [at for at, token in enumerate(tokens) if token.word in {"in", "under", "inside"}]
    if not targets.sets or not places or places[-1] + 2 != len(tokens):
        return targets
    folder = tokens[-1].text.removeprefix("./").rstrip("/") or "."
    return replace(targets, sets=tuple(replace(each, folder=folder) for each in targets.sets))
