"""The graph says what is in the files, as they are now, whatever they hold."""

import ast
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from treadle.core.errors import ToolError
from treadle.tools.builtin.workspace import Workspace
from treadle.tools.repository.graph.extract import MAX_PARSED, facts_of
from treadle.tools.repository.graph.facts import EdgeKind, NodeKind
from treadle.tools.repository.graph.modules import ModuleNames
from treadle.tools.repository.graph.query import GraphQuery, ask, dependents
from treadle.tools.repository.graph.store import CodeGraph


def names(graph: CodeGraph, **query: object) -> list[str]:
    return [node["at"] for node in ask(graph, GraphQuery.model_validate(query))["nodes"]]


def test_definitions_calls_imports_and_inheritance(workspace: Workspace) -> None:
    graph = CodeGraph(workspace)
    assert names(graph, kinds=["method"], path="app/shapes.py") == [
        "app/shapes.py::Shape.area", "app/shapes.py::Circle.__init__", "app/shapes.py::Circle.area"
    ]  # fmt: skip
    called = names(graph, name="main", kinds=["function"], follow=["calls"])
    assert called == ["app/main.py::main", "app/shapes.py::Circle", "app/shapes.py::total"]
    assert names(graph, name="Shape", follow=["inherits"], direction="in")[1:] == [
        "app/shapes.py::Circle"
    ]
    assert "app/shapes.py" in names(graph, kinds=["module"], path="app/main.py", follow=["imports"])
    assert dependents(graph, ["app/shapes.py"]) == ["app/main.py"]
    inside = names(graph, name="Circle", kinds=["class"], follow=["contains"])
    assert inside[1:] == ["app/shapes.py::Circle.__init__", "app/shapes.py::Circle.area"]


def test_only_what_changed_is_read_again(root: Path, workspace: Workspace, tmp_path: Path) -> None:
    graph = CodeGraph(workspace, tmp_path / "graph.db")
    first = graph.update()
    assert (first.files, first.read) == (3, 3)
    (root / "app" / "main.py").write_text("from app.shapes import Shape\nShape()\n", "utf-8")
    second = graph.update()
    assert second.read == 1
    assert names(graph, name="Shape", kinds=["class"], follow=["calls"], direction="in")[1:] == [
        "app/main.py"
    ]
    (root / "app" / "shapes.py").unlink()
    assert names(graph, name="Shape") == []
    graph.close()
    again = CodeGraph(workspace, tmp_path / "graph.db")
    third = again.update()
    assert (third.files, third.read) == (2, 0)
    assert names(again, kinds=["module"]) == ["app/__init__.py", "app/main.py"]
    again.close()


def test_a_database_that_is_broken_is_made_anew(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "graph.db").write_bytes(b"this is no database at all" * 100)
    graph = CodeGraph(workspace, tmp_path / "graph.db")
    assert graph.update().files == 3
    graph.close()


def test_files_that_cannot_be_read_are_modules_with_a_reason(
    root: Path, workspace: Workspace
) -> None:
    (root / "syntax.py").write_text("def f(:\n", "utf-8")
    (root / "binary.py").write_bytes(b"\0\xff\xfe")
    (root / "latin.py").write_bytes(
        "# coding: latin-1\nné = 'é'\ndef ü(): pass\n".encode("latin-1")
    )
    (root / "huge.py").write_bytes(b"#" * (MAX_PARSED + 1))
    (root / "deep.py").write_text("x = " + "(" * 5_000 + ")" * 5_000, "utf-8")
    (root / "deeper.py").write_text("x = " + "-" * 20_000 + "1", "utf-8")
    (root / "a\nb.py").write_text("y = 1\n", "utf-8")
    size = CodeGraph(workspace).update()
    assert set(size.broken) == {"syntax.py", "binary.py", "huge.py", "deep.py", "deeper.py"}
    assert names(CodeGraph(workspace), path="latin.py", kinds=["function"]) == ["latin.py::ü"]


def test_cycles_of_imports_aliases_and_bases_end(root: Path, workspace: Workspace) -> None:
    (root / "one.py").write_text(
        "from two import x, y\nfrom two import *\nclass A(B): pass\nclass B(A): pass\nz = w\nw = z\n",
        "utf-8",
    )
    (root / "two.py").write_text(
        "from one import x, y\nfrom one import *\nx()\ny.z.w()\nimport one\none.A().missing()\none.z()\n",
        "utf-8",
    )
    graph = CodeGraph(workspace)
    graph.update()
    answer = ask(graph, GraphQuery(path="*", follow=tuple(EdgeKind), depth=12))
    assert {"one.py", "two.py"} <= {node["at"] for node in answer["nodes"]}
    assert dependents(graph, ["one.py"], depth=5) == ["two.py"]


def test_names_mean_what_the_scopes_say(root: Path, workspace: Workspace) -> None:
    (root / "m.py").write_text(
        "def f(): pass\n"
        "class C:\n"
        "    def f(self): return self\n"
        "    def g(self) -> 'C':\n"
        "        f()\n"  # the module's: a method does not see the names of its class
        "        self.f()\n"
        "        return self\n"
        "def h(f, c: C | None):\n"
        "    f()\n"  # a parameter
        "    c.g().f()\n"
        "    d = C()\n"
        "    d.g()\n",
        "utf-8",
    )
    graph = CodeGraph(workspace)
    callers = {
        target: names(graph, path="m.py", name=target, follow=["calls"], direction="in")[1:]
        for target in ("C.f", "C.g")
    }
    assert callers == {"C.f": ["m.py::C.g", "m.py::h"], "C.g": ["m.py::h"]}
    query = GraphQuery(
        path="m.py",
        name="f",
        kinds=(NodeKind.FUNCTION,),
        follow=(EdgeKind.CALLS,),
        direction="in",
    )
    (module_f,) = ask(graph, query)["edges"]
    assert (module_f["source"], module_f["line"]) == ("m.py::C.g", 5)


def test_linked_packages_have_the_name_of_the_link(root: Path, workspace: Workspace) -> None:
    (root / "src" / "pkg").mkdir(parents=True)
    (root / "src" / "pkg" / "__init__.py").write_text("", "utf-8")
    (root / "src" / "pkg" / "app").symlink_to("../../app")
    (root / "user.py").write_text("from pkg.app.shapes import total\ntotal([])\n", "utf-8")
    assert names(CodeGraph(workspace), name="main.py", path="*") == []
    called = names(CodeGraph(workspace), path="user.py", kinds=["module"], follow=["calls"])
    assert called == ["user.py", "app/shapes.py::total"]


def test_module_names() -> None:
    modules = ModuleNames(["src/a/__init__.py", "src/a/b.py", "tests/t.py", "a.py"])
    assert modules.path("a.b") == "src/a/b.py"
    assert modules.path("a") == "a.py"
    assert modules.path("src.a") == "src/a/__init__.py"
    assert modules.name("src/a/b.py") == "a.b"
    assert modules.path("a.c") is None


def test_answers_are_bounded_and_say_so(root: Path, workspace: Workspace) -> None:
    text = "".join(f"def f{n}(): f{n + 1}()\n" for n in range(300))
    (root / "many.py").write_text(text, "utf-8")
    graph = CodeGraph(workspace)
    answer = ask(graph, GraphQuery(path="many.py", limit=10))
    assert (len(answer["nodes"]), answer["truncated"]) == (10, True)
    chain = ask(graph, GraphQuery(name="f0", follow=(EdgeKind.CALLS,), depth=12))
    assert [node["depth"] for node in chain["nodes"]] == list(range(13))


@pytest.mark.parametrize(
    "query",
    [
        {"name": "x", "sql": "DROP TABLE nodes"},
        {"name": "x", "depth": 1_000},
        {"name": "x", "limit": 10**9},
        {"kinds": ["table"]},
        {"follow": ["calls; --"]},
    ],
)
def test_a_query_that_is_none_is_refused(query: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GraphQuery.model_validate(query)


def test_no_text_of_a_query_is_ever_sql(workspace: Workspace) -> None:
    graph = CodeGraph(workspace)
    with pytest.raises(ToolError) as refused:
        ask(graph, GraphQuery())
    assert refused.value.code == "graph_query_too_wide"
    for hostile in ("'; DROP TABLE nodes; --", "[", "*" * 300, '" OR 1=1', "\0"):
        assert (
            ask(graph, GraphQuery(name=hostile, path=hostile))["nodes"] == []
            or hostile == "*" * 300
        )
    assert names(graph, name="total")


_STATEMENTS = st.sampled_from(
    ["import a.b as c", "from . import d", "from .. import *", "x = y = f(1).g", "class A(B[int], m=C): z: A = 1",
     "def f(a, *b, c: 'A[' = 1, **d) -> f: return lambda q: q.r", "async def g():\n    await f().h",
     "with a as (b, c): pass", "for i, j in k: del i", "match x:\n    case A(b=c): pass", "@d.e(1)\ndef p(self): self.x = x",
     "try: pass\nexcept E as e: e.x", "__all__ = ['A', nope]", "(w := v).u()", "type X = int"]
)  # fmt: skip


@given(st.lists(_STATEMENTS, max_size=6))
def test_facts_stand_where_they_say(statements: list[str]) -> None:
    text = "\n".join(statements) + "\n"
    try:
        ast.parse(text)
    except SyntaxError:
        return
    facts = facts_of(text.encode(), "pkg/m.py", "pkg.m")
    assert not facts.broken
    lines = text.split("\n")
    for mention in facts.mentions:
        name = mention.dotted[-1]
        if name not in ("<root>", "pkg") and mention.kind != "imports":
            assert lines[mention.line - 1][mention.column - 1 :].startswith(name)
    for one in facts.defined[1:]:
        assert lines[one.line - 1][one.column - 1 :].startswith(one.name.rpartition(".")[2])


def test_the_database_holds_no_free_text_interface() -> None:
    assert not [name for name in vars(CodeGraph) if "execute" in name or "sql" in name]
    assert sqlite3.threadsafety >= 1
