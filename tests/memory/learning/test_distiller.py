"""Distillation: what is learned from runs that worked, and from those that did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.memory.learning.near_misses import one

from treadle.core.errors import ModelError
from treadle.core.json_value import compact_json
from treadle.memory.learning import Learning, Reuse, RunRecord, StepRecord
from treadle.memory.namespace import Namespace
from treadle.memory.store import Store
from treadle.testing import ScriptedModel

HERE = Namespace("users/kim")
ONE_STEP = one("sum_column", path="sales.csv", column="price")
_TOTAL = {"tool": "sum_column", "args": {"path": "sales.csv", "column": "price"}}
PLAN = {"steps": [{"id": "step", **_TOTAL}, {"id": "again", **_TOTAL}], "answer": "${again}"}
WORKED = RunRecord(
    run_id="run_1",
    task="Total the column 'price' of sales.csv",
    outcome="succeeded",
    plan=PLAN,
    fingerprints={"sum_column": "1"},
    steps=(StepRecord("step", "sum_column", "succeeded"),),
)
FAILED = replace(
    WORKED,
    outcome="failed",
    steps=(
        StepRecord(
            "step", "sum_column", "failed", "no_column", "there is no 'price'",
            taint=frozenset({"fetch_url (step page)"}),
        ),
    ),
)  # fmt: skip


def _current(name: str) -> str | None:
    return {"sum_column": "1"}.get(name)


async def test_success_is_a_concept_and_a_procedure(store: Store) -> None:
    learning = Learning(store)
    distilled = await learning.distiller.distil(WORKED, namespace=HERE)
    assert distilled.procedure is not None
    assert distilled.procedure.source == "run_1"
    assert isinstance(await learning.procedures.match(WORKED.task, _current, namespace=HERE), Reuse)
    (found,) = await learning.concepts.find("total the column 'cost' of bills.csv", namespace=HERE)
    assert found.concept.kind == "concept"
    assert "sum_column" in found.concept.body
    assert "sales.csv" not in found.concept.name + found.concept.body


async def test_a_single_step_is_a_procedure_and_teaches_nothing_else(store: Store) -> None:
    learning = Learning(store)
    distilled = await learning.distiller.distil(replace(WORKED, plan=ONE_STEP), namespace=HERE)
    assert distilled.procedure is not None
    assert distilled.concepts == ()
    assert await learning.concepts.all(namespace=HERE) == []


async def test_failure_is_a_warning_with_the_labels_of_the_step(store: Store) -> None:
    learning = Learning(store)
    distilled = await learning.distiller.distil(FAILED, namespace=HERE)
    assert distilled.procedure is None
    (found,) = await learning.concepts.find("Total the column 'cost' of bills.csv", namespace=HERE)
    assert found.concept.kind == "warning"
    assert "no_column" in found.concept.body
    assert found.concept.taint == {"fetch_url (step page)"}


async def test_a_step_that_failed_and_was_mended_is_a_warning_and_no_procedure(
    store: Store,
) -> None:
    learning = Learning(store)
    mended = replace(FAILED, outcome="succeeded", replans=1)
    distilled = await learning.distiller.distil(mended, namespace=HERE)
    assert distilled.procedure is None
    assert [each.kind for each in distilled.concepts] == ["warning"]
    assert "patched" in distilled.concepts[0].body


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "other"},
        {"outcome": "failed"},
        {"alone": False},
        {"replans": 1},
        {"plan": None},
        {"fingerprints": {}},
        {"steps": (StepRecord("step", "sum_column", "succeeded", "no_column", "as a value"),)},
    ],
)
async def test_runs_whose_plan_is_not_kept(store: Store, change: Mapping[str, object]) -> None:
    learning = Learning(store)
    record = replace(WORKED, **change)  # type: ignore[arg-type]
    assert (await learning.distiller.distil(record, namespace=HERE)).procedure is None
    assert await learning.procedures.all(namespace=HERE, retired=True) == []


async def test_a_plan_with_what_was_recalled_is_not_kept(store: Store) -> None:
    # Where Kim lives may change; the plan would go on writing to the old address.
    learning = Learning(store)
    plan = one("send", to="12 Mill Lane")
    record = replace(WORKED, task="Send it to my home", plan=plan, fingerprints={"send": "1"})
    shown = replace(record, shown=("Kim lives at 12 Mill Lane",))
    assert (await learning.distiller.distil(shown, namespace=HERE)).procedure is None
    unrelated = replace(record, shown=("Kim likes tea",))
    assert (await learning.distiller.distil(unrelated, namespace=HERE)).procedure is not None


async def test_outcomes_of_what_was_used_are_recorded(store: Store) -> None:
    learning = Learning(store)
    procedure = (await learning.distiller.distil(WORKED, namespace=HERE)).procedure
    assert procedure is not None
    (concept,) = await learning.concepts.all(namespace=HERE)
    used = replace(WORKED, reused=procedure.id, concepts=(concept.id,))
    for record in (used, replace(used, outcome="failed"), replace(used, outcome="other")):
        await learning.distiller.distil(record, namespace=HERE)
    after = await learning.procedures.get(procedure.id, namespace=HERE)
    assert after is not None
    assert (after.outcomes.successes, after.outcomes.failures) == (2, 1)
    known = await learning.concepts.get(concept.id, namespace=HERE)
    assert known is not None
    assert (known.outcomes.successes, known.outcomes.failures) == (1, 1)
    await learning.distiller.distil(replace(used, replans=1), namespace=HERE)
    patched = await learning.procedures.get(procedure.id, namespace=HERE)
    assert patched is not None
    assert patched.outcomes.failures == 2


async def test_a_model_words_the_lesson(store: Store) -> None:
    lesson = {"name": "Column totals", "cues": ["total a column", "zebra"], "body": "Sum it."}
    learning = Learning(store, ScriptedModel([lesson]))
    await learning.distiller.distil(WORKED, namespace=HERE)
    (concept,) = await learning.concepts.all(namespace=HERE)
    assert (concept.name, concept.body) == ("Column totals", "Sum it.")
    assert concept.cues == ("total a column",)  # nothing happened with a zebra


@pytest.mark.parametrize(
    "reply",
    [
        "no JSON",
        {"name": "x"},
        {"name": "", "cues": ["column"], "body": "x"},
        {"name": "x", "cues": ["zebra"], "body": "x"},
        {"name": "x", "cues": ["column"], "body": "y" * 10_000},
        {"name": "x\0", "cues": ["column"], "body": "y"},
        [1],
        ModelError("model_refused", "no"),
    ],
)
async def test_where_a_model_fails_code_words_the_lesson(store: Store, reply: object) -> None:
    scripted = compact_json(reply) if isinstance(reply, list) else reply
    learning = Learning(store, ScriptedModel([scripted]))  # type: ignore[list-item]
    await learning.distiller.distil(WORKED, namespace=HERE)
    (concept,) = await learning.concepts.all(namespace=HERE)
    assert "What worked: 2 steps with sum_column." in concept.body
