"""The tools of a code agent for one repository."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

from treadle.core.errors import ToolError
from treadle.core.json_value import JsonValue
from treadle.core.threads import run_in_thread
from treadle.tools.decorator import tool
from treadle.tools.effect import Effect
from treadle.tools.repository import results
from treadle.tools.repository.editing.edits import Edit
from treadle.tools.repository.graph.query import GraphAnswer, GraphQuery, ask
from treadle.tools.repository.language_server.cancellation import Cancellation
from treadle.tools.repository.language_server.code_queries import CodeQueries
from treadle.tools.repository.repository import Outcome, Preview, Repository
from treadle.tools.repository.score import StepScore
from treadle.tools.tool import Tool

ResultT = TypeVar("ResultT")

_SECONDS = 180.0
_APPLIED = TypeAdapter(results.AppliedEdits)


class Apply(Protocol):
    """Makes the changes of a preview; see `Repository.apply`."""

    def __call__(
        self, name: str, key: str, *, refuse_if_worse: bool = False, queries: CodeQueries
    ) -> Outcome: ...


def repository_tools(
    repository: Repository | Path, *, apply: Apply | None = None, trusted: bool = False
) -> list[Tool]:
    """The tools over a repository: questions to its language server and graph, and edits.

    repository: a folder's is made here, and closed with the process; give a Repository to close
    it earlier, or to choose its language server. apply: what `code_apply` does; the repository's
    own by default. trusted: whether its files are as good as your own words. By default what they
    say is labelled: a repository from elsewhere may hold text that was written to be obeyed.

    Places are named by selectors: `path::Class.method`, `path@"some text"` (`#2` behind it for
    the second of several) or `path:line:column`.
    """
    repo = Repository(repository) if isinstance(repository, Path) else repository
    tools = [*_questions(repo), *_structure(repo), *_changes(repo, apply or repo.apply)]
    if trusted:
        return tools
    return [replace(each, untrusted=True) if each.effect.repeatable else each for each in tools]


def _questions(repo: Repository) -> tuple[Tool, ...]:
    @tool(effect=Effect.READ, timeout=_SECONDS)
    async def code_symbols(query: str) -> results.CodeSymbols:
        """Find classes, functions and variables anywhere in the repository by name.

        Args:
            query: a name or the letters of one
        """
        found = await _asked(repo, lambda queries: queries.workspace_symbols(query))
        return results.symbols(found)

    @tool(effect=Effect.READ, timeout=_SECONDS)
    async def code_definition(at: str) -> results.CodePlaces:
        """Where the name at a place is defined.

        Args:
            at: selector: path::Class.method, path@"some text" or path:line:column
        """

        def answer(queries: CodeQueries) -> results.CodePlaces:
            place, _ = repo.locate(at)
            return results.places(queries.definition(place.path, place.position), queries)

        return await _asked(repo, answer)

    @tool(effect=Effect.READ, timeout=_SECONDS)
    async def code_references(at: str) -> results.CodePlaces:
        """Every place where the thing at a place is defined or used.

        Args:
            at: selector: path::Class.method, path@"some text" or path:line:column
        """

        def answer(queries: CodeQueries) -> results.CodePlaces:
            place, _ = repo.locate(at)
            return results.places(queries.references(place.path, place.position), queries)

        return await _asked(repo, answer)

    @tool(effect=Effect.READ, timeout=_SECONDS)
    async def code_hover(at: str) -> str:
        """Type and documentation of the thing at a place.

        Args:
            at: selector: path::Class.method, path@"some text" or path:line:column
        """

        def answer(queries: CodeQueries) -> str:
            place, _ = repo.locate(at)
            return results.cut(queries.hover(place.path, place.position), results.MAX_TEXT)

        return await _asked(repo, answer)

    @tool(effect=Effect.READ, timeout=_SECONDS)
    async def code_diagnostics(path: str) -> results.CodeFaults:
        """Type errors and other faults in a file.

        Args:
            path: relative to the repository
        """
        found = await _asked(repo, lambda queries: queries.diagnostics(path))
        return results.CodeFaults(found=len(found), diagnostics=results.faults(found))

    return code_symbols, code_definition, code_references, code_hover, code_diagnostics


def _structure(repo: Repository) -> tuple[Tool, ...]:
    @tool(effect=Effect.READ, timeout=_SECONDS)
    def code_outline(path: str) -> results.CodeSymbols:
        """The classes, functions and variables in a file, in order.

        Args:
            path: relative to the repository
        """
        # Ours and not the server's: it works while the file does not parse.
        from treadle.tools.repository.selectors.outline import outline

        every = outline(repo.queries.source(path))
        shown = [
            results.CodeSymbol(at=f"{path}::{each.name}", kind=each.kind, line=each.position.line)
            for each in every[: results.MAX_ITEMS * 3]
        ]
        return results.CodeSymbols(found=len(every), symbols=shown)

    @tool(effect=Effect.READ, timeout=_SECONDS)
    def code_text(at: str) -> results.CodeText:
        """The text of a definition or of an anchored place, as it is now.

        Args:
            at: selector: path::Class.method, path@"some text" or path:line:column
        """
        place, source = repo.locate(at)
        text = source.text[place.start : place.end]
        line = place.position.line
        if place.start == place.end:
            text = source.lines[line - 1]
        return results.CodeText(
            at=at,
            first_line=source.position(place.start).line,
            last_line=source.position(place.end).line,
            text=results.cut(text.replace("\r\n", "\n"), results.MAX_TEXT),
            how=place.how,
        )

    @tool(effect=Effect.READ, timeout=_SECONDS)
    def code_graph(query: GraphQuery) -> GraphAnswer:
        """Ask the graph of the code: what defines, calls, imports, inherits from or uses what.

        Who calls `save`: {"name": "save", "follow": ["calls"], "direction": "in"}. All that a
        module needs, directly or not: {"kinds": ["module"], "path": "app/main.py",
        "follow": ["imports"], "depth": 5}.

        Args:
            query: nodes to start from, and which edges to follow from there
        """
        return ask(repo.graph, query)

    return code_outline, code_text, code_graph


def _changes(repo: Repository, apply: Apply) -> tuple[Tool, ...]:
    @tool(effect=Effect.READ, timeout=_SECONDS)
    async def code_preview(edits: list[Edit], measure: bool = False) -> results.Previewed:
        """Show what edits would do, as a diff. Nothing changes until code_apply.

        Args:
            edits: in order, each sees what those before it did
            measure: whether to count the diagnostics that would go and come
        """
        return await _asked(repo, partial(_previewed, repo, lambda _: repo.preview(edits), measure))

    @tool(effect=Effect.READ, timeout=_SECONDS)
    async def code_preview_rename(at: str, name: str, measure: bool = False) -> results.Previewed:
        """Show what renaming a thing everywhere would do. Nothing changes until code_apply.

        Args:
            at: selector: path::Class.method, path@"some text" or path:line:column
            name: the new name
            measure: whether to count the diagnostics that would go and come
        """

        def rename(queries: CodeQueries) -> Preview:
            return repo.preview_rename(at, name, queries)

        return await _asked(repo, partial(_previewed, repo, rename, measure))

    def undo_apply(result: JsonValue, preview: str, refuse_if_worse: bool = False) -> None:
        try:
            done = _APPLIED.validate_python(result)
        except ValidationError:
            raise ToolError("undo_failed", "this is no result of code_apply") from None
        repo.undo(done["applied"])

    @tool(effect=Effect.WRITE, undo=undo_apply, idempotent=True, timeout=_SECONDS)
    async def code_apply(
        preview: str, refuse_if_worse: bool = False, *, idempotency_key: str
    ) -> results.AppliedEdits:
        """Make the changes of a preview: all of them, or none if a file has changed since.

        Args:
            preview: its name, from code_preview or code_preview_rename
            refuse_if_worse: change nothing if more diagnostics come than go
        """

        def answer(queries: CodeQueries) -> results.AppliedEdits:
            done = apply(preview, idempotency_key, refuse_if_worse=refuse_if_worse, queries=queries)
            return results.AppliedEdits(
                applied=done.applied,
                score=results.scored(done.score),
                commit=done.commit,
                note=done.unrecorded,
            )

        return await _asked(repo, answer)

    return code_preview, code_preview_rename, code_apply


def _previewed(
    repo: Repository,
    make: Callable[[CodeQueries], Preview],
    measure: bool,
    queries: CodeQueries,
) -> results.Previewed:
    preview = make(queries)
    found: StepScore | None = repo.measure(preview.name, queries) if measure else None
    return results.Previewed(
        preview=preview.name,
        files=[each.path for each in preview.changes.files],
        diff=results.cut(preview.changes.diff, results.MAX_DIFF),
        notes=list(preview.changes.notes),
        score=results.scored(found),
    )


async def _asked(repo: Repository, question: Callable[[CodeQueries], ResultT]) -> ResultT:
    """Ask in a thread; when the caller is cancelled, so is what the server does for it."""
    cancellation = Cancellation()
    queries = repo.queries.cancelled_by(cancellation)
    try:
        return await run_in_thread(partial(question, queries))
    except asyncio.CancelledError:
        cancellation.cancel()
        raise
