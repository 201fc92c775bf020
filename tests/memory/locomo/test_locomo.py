"""The bench, on a conversation made for it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from treadle.core.errors import InputError
from treadle.core.json_value import JsonValue
from treadle.memory.locomo import Question, Ranking, read_locomo, run_locomo, scores
from treadle.memory.locomo.dataset import evidence_ids


def _turn(number: str, speaker: str, text: str, **more: str) -> dict[str, str]:
    return {"dia_id": number, "speaker": speaker, "text": text, **more}


def _conversation() -> dict[str, Any]:
    return {
        "sample_id": "made-1",
        "conversation": {
            "speaker_a": "Ann",
            "speaker_b": "Ben",
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": [
                _turn("D1:1", "Ann", "What did you do in spring?"),
                _turn("D1:2", "Ben", "I bought a red kayak.", blip_caption="a boat on a river"),
                _turn("D1:3", "Ann", "My sister plays the cello."),
            ],
            "session_2_date_time": "9:00 am on 1 June, 2023",
            "session_2": [
                _turn("D2:1", "Ben", "I sold the kayak again."),
                _turn("D2:2", "Ann", "We bake bread on Sundays."),
            ],
        },
        "observation": {"session_1_observation": {"Ann": [["SECRETWORD", "D1:1"]]}},
        "qa": [
            {"question": "Who plays the cello?", "evidence": ["D1:3"], "category": 4},
            {
                "question": "What happened to Ben's kayak?",
                "evidence": ["D1:2; D2:1"],
                "category": 1,
            },
            {"question": "When does Ann bake?", "evidence": ["D2:2"], "category": 2},
            {"question": "What is on the river?", "evidence": ["D1:2"], "category": 3},
            {"question": "What does Cid play?", "evidence": ["D1:3"], "category": 5},
            {"question": "Who?", "evidence": ["D9:9"], "category": 4},
        ],
    }


def _file(folder: Path, data: object, packed: bool = False) -> Path:
    path = folder / "locomo.json"
    raw = json.dumps(data).encode()
    path.write_bytes(gzip.compress(raw) if packed else raw)
    return path


@pytest.mark.parametrize("packed", [False, True])
async def test_finds_the_turns_that_questions_need(tmp_path: Path, packed: bool) -> None:
    report = await run_locomo(_file(tmp_path, [_conversation()], packed))
    assert report["questions"] == 4
    assert report["without_evidence"] == 1
    assert report["recall"] == {"5": 1.0, "10": 1.0, "20": 1.0}
    assert report["all_at_10_multihop"] == 1.0
    categories = report["by_category"]
    assert isinstance(categories, dict)
    assert set(categories) == {"multi_hop", "temporal", "open_domain", "single_hop"}
    ranked = report["ranked"]
    assert isinstance(ranked, list)
    assert ranked[0] == {"question": "Who plays the cello?", "ids": ["D1:3", *_rest(ranked[0])]}
    json.dumps(report)


def _rest(ranked: JsonValue) -> list[JsonValue]:
    assert isinstance(ranked, dict)
    ids = ranked["ids"]
    assert isinstance(ids, list)
    return ids[1:]


def test_only_what_was_said_is_read(tmp_path: Path) -> None:
    (read,) = read_locomo(_file(tmp_path, [_conversation()]))
    said = " ".join(turn.content for turn in read.turns)
    assert "SECRETWORD" not in said
    assert "a boat on a river" in said
    assert [turn.id for turn in read.turns] == ["D1:1", "D1:2", "D1:3", "D2:1", "D2:2"]
    assert read.turns[3].time.month == 6


def test_evidence_is_read_as_far_as_it_can_be() -> None:
    known = {"D8:6": 0, "D9:17": 1, "D11:26": 2, "D1:3": 3}
    assert evidence_ids(["D8:6; D9:17"], known) == ("D8:6", "D9:17")
    assert evidence_ids(["D:11:26", "D", "D10:19", "D1:03", 7], known) == ("D11:26", "D1:3")
    assert evidence_ids("D1:3", known) == ()


def test_figures_are_means_over_questions() -> None:
    one = Ranking(Question("a", "multi_hop", ("x", "y")), ("n", "x", *"abcdefgh", "y"))
    other = Ranking(Question("b", "multi_hop", ("z",)), ("z",))
    found = scores([one, other])
    assert found.recall == {5: 0.75, 10: 0.75, 20: 1.0}
    assert found.all_at_10 == 0.5
    assert found.mrr == 0.75


async def test_conversations_are_chosen_by_place(tmp_path: Path) -> None:
    path = _file(tmp_path, [_conversation(), _conversation()])
    report = await run_locomo(path, [1])
    assert report["questions"] == 4
    for wrong in ([2], [-1], []):
        with pytest.raises(InputError) as caught:
            await run_locomo(path, wrong)
        assert caught.value.code == "bad_conversations"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"{}",
        b"[]",
        b"[1]",
        b'[{"sample_id": "x"}]',
        b'[{"conversation": {"session_1": 5}, "qa": []}]',
        b'[{"conversation": {"session_1": [{}], "session_1_date_time": "soon"}, "qa": []}]',
        b"\x1f\x8bnot gzip",
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
async def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        await run_locomo(path)
    assert caught.value.code == "bad_locomo_file"


async def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        await run_locomo(tmp_path / "none")
    assert caught.value.code == "bad_locomo_file"
