"""Pictures: nothing that a plan says can change what is drawn, and size does not matter."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.planner import Plan, to_dot, to_mermaid, to_tree


def plan(*steps: dict[str, Any], answer: Any = None) -> Plan:
    return Plan.from_wire({"steps": [{"tool": "t", **step} for step in steps], "answer": answer})


hostile = st.text("a\"'\\]}[|<>-=;`#&%\n\r\t{N\u2028", max_size=20)


@given(hostile, hostile)
def test_hostile_text_adds_no_node_and_no_edge(argument: str, compared: str) -> None:
    made = plan(
        {"id": "a", "args": {"x": argument.replace("${", "")}, "note": argument},
        {"id": "b", "when": f"${{a}} == {compared!r}".replace("\\u2028", ""), "for_each": "${a}"},
    )
    mermaid = to_mermaid(made).split("\n")
    assert len(mermaid) == 5
    assert re.fullmatch(r'    s0\["[^"]*"\]', mermaid[1])
    assert re.fullmatch(r'    s1\[\["[^"]*"\]\]', mermaid[2])
    assert re.fullmatch(r'    s0 -->\|"[^"]*"\| s1', mermaid[3])
    assert not re.search(r"<(?!br/>)|[`&]", to_mermaid(made).replace("-->", ""))
    dot = re.sub(r'"(?:[^"\\]|\\.)*"', "TEXT", to_dot(made), flags=re.DOTALL)
    assert dot.split("\n") == [
        "digraph plan {", "    node [shape=box];", "    TEXT [label=TEXT];",
        "    TEXT [label=TEXT, peripheries=2];", "    TEXT -> TEXT [label=TEXT];", "}", "",
    ]  # fmt: skip


def test_dots_own_escapes_stay_text() -> None:
    assert "\\\\\\\\N" in to_dot(plan({"id": "a", "args": {"x": "\\N"}}))


@pytest.mark.parametrize("draw", [to_tree, to_mermaid, to_dot])
def test_a_chain_of_ten_thousand_steps(draw: Any) -> None:
    chain = plan(*({"id": f"s{n}", "after": [f"s{n - 1}"] if n else []} for n in range(10_000)))
    picture = draw(chain)
    assert picture.count("t()") == 10_000
    assert len(picture) < 5_000_000, "the size grows with the plan and not with its square"


@pytest.mark.parametrize("draw", [to_tree, to_mermaid, to_dot])
def test_two_thousand_steps_in_dense_layers(draw: Any) -> None:
    def needs(n: int) -> list[str]:
        return [f"s{m}" for m in range(n // 40 * 40 - 40, n // 40 * 40)] if n >= 40 else []

    picture = draw(plan(*({"id": f"s{n}", "after": needs(n)} for n in range(2_000))))
    assert picture.count("t()") == 2_000


def test_the_tree_names_what_else_a_step_waits_for() -> None:
    made = plan(
        {"id": "a"}, {"id": "b"},
        {"id": "c", "args": {"x": "${a}", "y": "${b}"}, "when": "${a} > 1"},
        {"id": "d", "for_each": "${b}"},
        answer={"x": "${c}"},
    )  # fmt: skip
    assert to_tree(made).splitlines() == [
        "a: t()",
        "b: t()",
        '├─ c: t(x="${a}", y="${b}")  when ${a} > 1  (also after a)',
        '└─ d: t()  for each of "${b}"',
        'answer: {"x":"${c}"}',
    ]


def test_a_plan_of_an_answer_alone() -> None:
    made = plan(answer="hello")
    assert to_tree(made) == "answer: hello\n"
    assert to_mermaid(made) == "flowchart TD\n"
    assert to_dot(made).startswith("digraph")
