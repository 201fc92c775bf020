"""One repository as a code agent works on it: ask, preview, measure, apply, take back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from treadle.core.errors import ToolError
from treadle.tools.builtin.file_changes import workspace_id
from treadle.tools.builtin.kept import KeptFiles
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.editing.applied import Applied
from treadle.tools.repository.editing.change import ChangeSet, FileChange
from treadle.tools.repository.editing.edits import Edit
from treadle.tools.repository.editing.history import EditHistory
from treadle.tools.repository.editing.planning import planned, planned_renames
from treadle.tools.repository.editing.previews import Planned, Previews
from treadle.tools.repository.editing.transaction import Transactions
from treadle.tools.repository.graph.query import dependents
from treadle.tools.repository.graph.store import CodeGraph
from treadle.tools.repository.language_server.code_queries import CodeQueries
from treadle.tools.repository.language_server.records import Diagnostic
from treadle.tools.repository.language_server.server import LanguageServer
from treadle.tools.repository.score import StepScore, score
from treadle.tools.repository.selectors.resolve import Place, resolve
from treadle.tools.repository.selectors.selector import parse_selector
from treadle.tools.repository.source_text import SourceText

MAX_CHECKED = 30
"""Files whose diagnostics make a score: those that change, then those that import them."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Changes that may be applied: their name, and what they are."""

    name: str
    changes: ChangeSet


@dataclass(frozen=True, slots=True)
class Outcome:
    """What applying came to: score is None where none was asked for.

    commit: in the history of edits; empty where there is none, and `unrecorded` says why.
    """

    applied: Applied
    score: StepScore | None
    commit: str
    unrecorded: str = ""


class Repository:
    """The code in a folder; safe to use from any thread. Close it, or use `with`.

    kept: where copies, previews and the history of edits lie; a private folder by default.
    command: of the language server; pyright by default, started when it is first needed.
    seconds: for one question to it.
    database: where the graph is kept between processes; in memory by default.

    Raises ToolError when made (`undo_conflict`) if a crash interrupted a transaction and somebody
    has changed its files since.
    """

    def __init__(
        self,
        root: Path,
        *,
        kept: Path | None = None,
        command: Sequence[str] | None = None,
        seconds: float = 30.0,
        database: Path | None = None,
    ) -> None:
        self.workspace = Workspace(root)
        files = KeptFiles(kept)
        self.server = LanguageServer(self.workspace, command)
        self.queries = CodeQueries(self.server, seconds)
        self.graph = CodeGraph(self.workspace, database)
        self.history = EditHistory(files.folder / "edits" / workspace_id(self.workspace))
        self.transactions = Transactions(self.workspace, files)
        self._previews = Previews(self.workspace, files)
        self.recovered = self.transactions.recover()

    def __enter__(self) -> Repository:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the language server and close the graph."""
        self.server.close()
        self.graph.close()

    def locate(self, selector: str) -> tuple[Place, SourceText]:
        """Where a selector leads now, and in which text.

        Raises SelectorError, ToolError (`bad_selector`) and what reading the file raises.
        """
        parsed = parse_selector(selector)
        path = self.workspace.relative(self.workspace.resolve(parsed.path))
        source = self.queries.source(path)
        place = resolve(parsed, source)
        return Place(path, place.start, place.end, place.position, place.how), source

    def preview(self, edits: Sequence[Edit]) -> Preview:
        """What edits would do; nothing changes. Raises as `planned` does."""
        return self._kept(planned(self.workspace, self.transactions.places, edits))

    def preview_rename(
        self, selector: str, name: str, queries: CodeQueries | None = None
    ) -> Preview:
        """What renaming would do, everywhere; nothing changes.

        Raises as `locate` and `CodeQueries.rename` do.
        """
        place, _ = self.locate(selector)
        edits = (queries or self.queries).rename(place.path, place.position, name)
        return self._kept(planned_renames(self.workspace, self.transactions.places, edits))

    def changes(self, name: str) -> ChangeSet:
        """What a preview would change. Raises ToolError (`unknown_preview`, `files_changed`)."""
        return self._changes(self._previews.load(name))

    def measure(self, name: str, queries: CodeQueries | None = None) -> StepScore:
        """The score of a preview, without applying it. Raises as the language server does."""
        return self._measure(self.changes(name), queries or self.queries)

    def apply(
        self,
        name: str,
        key: str,
        *,
        refuse_if_worse: bool = False,
        queries: CodeQueries | None = None,
    ) -> Outcome:
        """Make the changes of a preview, all or none.

        refuse_if_worse: raise ToolError (`score_negative`), and change nothing, when more weight
        of diagnostics would come than go.

        Raises as `Transactions.apply` does, and `unknown_preview`.
        """
        kept = self._previews.load(name)
        if self.transactions.has(kept, key):
            return Outcome(self.transactions.apply(kept, key), None, "", "applied before")
        changes, asked = self._changes(kept), queries or self.queries
        if not refuse_if_worse:
            result, found = self.transactions.apply(kept, key), None
        elif _is_exact(changes):
            found = _not_worse(self._measure(changes, asked))
            result = self.transactions.apply(kept, key)
        else:
            result, found = self._apply_measured(kept, changes, key, asked)
        commit, unrecorded = self._record(changes, f"Apply {name[:12]}")
        return Outcome(result, found, commit, unrecorded)

    def undo(self, applied: Applied) -> None:
        """Take back what `apply` did. Raises ToolError (`undo_conflict`)."""
        self.transactions.undo(applied)

    def _kept(self, changes: ChangeSet) -> Preview:
        return Preview(self._previews.keep(changes), changes)

    def _changes(self, kept: Planned) -> ChangeSet:
        return self._previews.changes(kept, self.transactions.contents(kept))

    def _measure(self, changes: ChangeSet, queries: CodeQueries) -> StepScore:
        texts = {
            each.path: SourceText.decode(each.after, each.path).text
            for each in changes.files
            if each.after is not None and _is_python(each)
        }
        checked = self._checked(changes)
        before = self._diagnostics(checked, queries)
        gone = {each.path for each in changes.files if each.after is None}
        with queries.showing(texts):
            after: list[Diagnostic] = []
            for path in checked:
                if path in texts or (path not in gone and self._exists(path)):
                    after += queries.diagnostics(path)
        return score(before, after, checked, exact=_is_exact(changes))

    def _apply_measured(
        self, kept: Planned, changes: ChangeSet, key: str, queries: CodeQueries
    ) -> tuple[Applied, StepScore]:
        """Where files come or go, only the changed folder itself tells what they break."""
        checked = self._checked(changes)
        before = self._diagnostics(checked, queries)
        found: list[StepScore] = []

        def check() -> None:
            after = self._diagnostics(checked, queries)
            found.append(_not_worse(score(before, after, checked)))

        return self.transactions.apply(kept, key, check), found[0]

    def _diagnostics(self, paths: Sequence[str], queries: CodeQueries) -> list[Diagnostic]:
        return [each for path in paths if self._exists(path) for each in queries.diagnostics(path)]

    def _checked(self, changes: ChangeSet) -> list[str]:
        changed = [each.path for each in changes.files if _is_python(each)]
        return [*changed, *dependents(self.graph, changed, limit=MAX_CHECKED)][:MAX_CHECKED]

    def _exists(self, path: str) -> bool:
        return (self.workspace.root / path).is_file()

    def _record(self, changes: ChangeSet, title: str) -> tuple[str, str]:
        try:
            return self.history.record(changes, title), ""
        except ToolError as error:
            # The changes are made and can be undone; only the commit is missing, and that is said.
            return "", error.message


def _is_python(change: FileChange) -> bool:
    return change.path.endswith((".py", ".pyi"))


def _is_exact(changes: ChangeSet) -> bool:
    return not any(
        _is_python(each) and (each.before is None or each.after is None) for each in changes.files
    )


def _not_worse(found: StepScore) -> StepScore:
    if found.value < 0:
        first = "; ".join(
            f"{each.location.path}:{each.location.start.line}: {each.message.splitlines()[0]}"
            for each in found.new[:3]
            if each.message
        )
        raise ToolError(
            "score_negative", f"nothing was changed: the score is {found.value:g}; new: {first}"
        )
    return found
