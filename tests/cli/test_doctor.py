"""`treadle doctor`: what it says of the state folder and of the extras."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

Treadle = Any


def test_the_extras_are_listed(treadle: Treadle) -> None:
    extras = treadle("doctor", "--json").json["extras"]
    assert {"mcp", "code", "postgres", "service", "otel", "ray", "vllm"} <= set(extras)
    assert extras["mcp"] == version("mcp")


def test_a_state_folder_that_can_be_used(treadle: Treadle, place: Path) -> None:
    folder = place / "not" / "yet" / "there"
    outcome = treadle("doctor", "--json", TREADLE_STATE_DIR=str(folder))
    assert outcome.json["state_folder_error"] is None
    assert not folder.exists()
    assert "state folder error" not in treadle("doctor", TREADLE_STATE_DIR=str(folder)).out


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/treadle"])
def test_a_state_folder_that_cannot_be_used_is_told(
    treadle: Treadle, place: Path, name: str
) -> None:
    (place / "file").write_text("")
    folder = str(place / name)
    told = treadle("doctor", "--json", TREADLE_STATE_DIR=folder).json["state_folder_error"]
    assert told.startswith("state_unwritable: ")
    assert "TREADLE_STATE_DIR" in told
    assert "state folder error:" in treadle("doctor", TREADLE_STATE_DIR=folder).out
