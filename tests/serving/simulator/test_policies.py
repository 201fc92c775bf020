from __future__ import annotations

import pytest

from treadle.core.errors import InputError
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.policies import POLICIES, policy_named


def test_the_names() -> None:
    assert list(POLICIES) == [
        "vllm", "continuum-preview", "continuum", "autellix", "infercept", "thunderagent",
        "treadle", "treadle+plan", "treadle-router", "oracle",
    ]  # fmt: skip
    for name in list(POLICIES)[:6]:
        assert POLICIES[name].make(Hardware()).name == name


def test_only_the_oracle_reads_ahead() -> None:
    told = {
        name: entry.knowledge for name, entry in POLICIES.items() if entry.knowledge != "nothing"
    }
    assert told == {"treadle+plan": "plan", "oracle": "everything"}


def test_routers_stand_in_front() -> None:
    assert {name for name, entry in POLICIES.items() if entry.gated or entry.routed} == {
        "thunderagent",
        "treadle-router",
    }


def test_an_unknown_name_gets_the_known_ones() -> None:
    with pytest.raises(InputError, match="continuum-preview") as found:
        policy_named("contiuum")
    assert found.value.code == "unknown_policy"
