"""What decides about code: tests that were given, and cases."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass, replace

from treadle.agents.coding.case import Case, CaseSource
from treadle.core.errors import InputError

MOST_TESTS_CHARACTERS = 400_000


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests and cases.

    tests: the source of a Python module, trusted: functions named `test...`, classes named
        `Test...`, bare asserts, or HumanEval's `check(candidate)`. It imports what it tests from
        `solution`, or uses the names as they are.
    cases: calls with what should come of them.
    entry: the function that the task asks for.

    Raises InputError (`bad_tests`).
    """

    tests: str = ""
    cases: tuple[Case, ...] = ()
    entry: str | None = None

    def __post_init__(self) -> None:
        if len(self.tests) > MOST_TESTS_CHARACTERS:
            raise InputError(
                "bad_tests", f"the tests have more than {MOST_TESTS_CHARACTERS:,} characters"
            )
        try:
            tree = ast.parse(self.tests)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InputError("bad_tests", f"the tests are no Python: {error}") from None
        if self.tests.strip() and not any(_tests_something(node) for node in tree.body):
            raise InputError(
                "bad_tests",
                "the tests test nothing: write functions named test_..., or asserts",
            )

    @property
    def decides(self) -> bool:
        """Whether there is anything in it that the model has not made up itself."""
        return bool(self.tests.strip()) or any(each.source != "generated" for each in self.cases)

    @property
    def decisive(self) -> tuple[CaseSource, ...]:
        """Whose cases decide: the model's own only where there is nothing else."""
        return ("given", "person") if self.decides else ("given", "person", "generated")

    def with_cases(self, *cases: Case) -> Suite:
        """With further cases; one about the same call replaces the earlier one."""
        kept = {each.call.key: each for each in self.cases}
        kept.update((each.call.key, each) for each in cases)
        return replace(self, cases=tuple(kept.values()))

    def modules(self) -> tuple[str, ...]:
        """Names of modules by which the tests import the code, beside `solution`."""
        tree = ast.parse(self.tests)
        found = {
            node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0
        }
        return tuple(sorted(each for each in found if each in _USUAL))

    def names(self) -> tuple[str, ...]:
        """The names that the tests and cases want the code to have."""
        tree = ast.parse(self.tests)
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module in ("solution", *self.modules())
            for alias in node.names
        }
        wanted = imported or _called_but_not_defined(tree)
        wanted |= {each.call.function for each in self.cases}
        if self.entry is not None:
            wanted.add(self.entry)
        return tuple(sorted(wanted))


_USUAL = frozenset({"candidate", "main", "submission", "answer", "your_module"})


def _called_but_not_defined(tree: ast.Module) -> set[str]:
    defined = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and _stores(node)}
    defined |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            defined |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return {each for each in called - defined if not hasattr(builtins, each)}


def _stores(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _tests_something(node: ast.stmt) -> bool:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name.startswith("test") or name == "check"
        case ast.ClassDef(name=name):
            return name.startswith("Test") or any(_tests_something(each) for each in node.body)
    return isinstance(node, ast.Assert)
