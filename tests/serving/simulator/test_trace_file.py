from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.simulator.workloads import small_programs

from treadle.core.errors import InputError
from treadle.serving.simulator import trace_file
from treadle.serving.simulator.programs import AgentProgram, ToolRun, Turn
from treadle.serving.simulator.trace_file import read_trace, write_trace

LINE = {
    "program": "a",
    "start": 12.5,
    "model": "m",
    "turns": [
        {
            "t": 0.1, "te": 0.2, "inp": 100, "out": 5, "out_est": True,
            "tools": [
                ["Bash", "Bash:pytest", "h1", 1.5, 80, 0], ["Read", "Read", "h2", 0.2, 9, 0],
            ],
        },
        {"inp": 120, "out": 0, "tools": []},
    ],
}  # fmt: skip


def text(*documents: object) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in documents)


def changed(turn: int, **values: object) -> dict[str, object]:
    copy = json.loads(json.dumps(LINE))
    copy["turns"][turn].update(values)
    return copy


@pytest.mark.parametrize("packed", [False, True])
def test_a_trace_is_read_plain_or_packed_whatever_its_name(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "trace"
    content = text(LINE, LINE)
    path.write_bytes(gzip.compress(content) if packed else content)
    tools = (ToolRun("Bash:pytest", "h1", 1.5), ToolRun("Read", "h2", 0.2))
    expected = AgentProgram("a", (Turn(100, 5, tools), Turn(120, 1)))
    assert read_trace(path) == (expected, expected)
    assert expected.turns[0].gap_seconds == 1.5


def test_empty_lines_count_and_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_bytes(b"\n" + text(LINE) + b"\n  \n" + text({"program": "b"}))
    with pytest.raises(InputError, match="line 5"):
        read_trace(path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"not json", "JSON"),
        (b"[1, 2]", "object"),
        (b"\xff\xfe{}", ""),
        (text({"turns": LINE["turns"]}), "program: Field required"),
        (text({"program": "", "turns": LINE["turns"]}), "program"),
        (text({"program": "a"}), "turns: Field required"),
        (text({"program": "a", "turns": []}), "turns"),
        (text({"program": "a", "turns": [{"inp": 5}]}), r"turns\.0\.out: Field required"),
        (text({"program": "a", "turns": [{"out": 5}]}), r"turns\.0\.inp: Field required"),
        (text(changed(0, inp=-1)), r"turns\.0\.inp"),
        (text(changed(0, inp=0)), r"turns\.0\.inp"),
        (text(changed(0, inp=10**30)), r"turns\.0\.inp"),
        (text(changed(0, inp=1.5)), r"turns\.0\.inp"),
        (text(changed(0, inp="7")), r"turns\.0\.inp"),
        (text(changed(0, inp=True)), r"turns\.0\.inp"),
        (text(changed(0, out=-1)), r"turns\.0\.out"),
        (text(changed(0, tools=[["Bash", "Bash"]])), r"turns\.0\.tools\.0"),
        (text(changed(0, tools=["Bash"])), r"turns\.0\.tools\.0"),
        (text(changed(0, tools=[["B", "B", "h", -1.0, 1, 0]])), r"turns\.0\.tools\.0\.3"),
        (text(changed(0, tools=[["B", "B", "h", 1e300, 1, 0]])), r"turns\.0\.tools\.0\.3"),
        (b'{"program":"a","turns":[{"inp":5,"out":1,"tools":[["B","B","h",NaN]]}]}', "tools"),
        (b'{"program":"a","turns":[{"inp":5,"out":1,"tools":[["B","B","h",1e999]]}]}', "tools"),
        (text(changed(1, inp=99)), r"turns\.1\.inp: 99 tokens are fewer than the 100"),
        (b"[" * 100_000, "JSON"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_named_by_its_line(tmp_path: Path, line: bytes, says: str) -> None:
    path = tmp_path / "trace"
    path.write_bytes(text(LINE) + line + b"\n" + text(LINE))
    with pytest.raises(InputError, match=f"line 2: .*{says}") as found:
        read_trace(path)
    assert found.value.code == "bad_trace"


def unreadable(path: Path) -> str:
    with pytest.raises(InputError) as found:
        read_trace(path)
    assert found.value.code == "trace_unreadable"
    return found.value.message


def test_what_is_no_file_of_programs(tmp_path: Path) -> None:
    assert "No such file" in unreadable(tmp_path / "missing")
    assert "a folder" in unreadable(tmp_path)
    assert "regular file" in unreadable(Path("/dev/zero"))
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    assert "no program" in unreadable(empty)
    empty.write_bytes(gzip.compress(b"\n\n"))
    assert "no program" in unreadable(empty)


def test_a_packed_file_that_is_cut_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "trace.gz"
    packed = gzip.compress(text(*[LINE] * 50))
    path.write_bytes(packed[:-12])
    assert "ends too early" in unreadable(path)
    path.write_bytes(packed[:20] + b"\0" * 30 + packed[50:])
    assert unreadable(path)
    path.write_bytes(b"\x1f\x8b")
    assert unreadable(path)


def test_bombs_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_file, "LONGEST_LINE", 1 << 20)
    monkeypatch.setattr(trace_file, "LARGEST_TRACE", 3 << 20)
    path = tmp_path / "trace.gz"
    path.write_bytes(gzip.compress(b" " * (2 << 20)))
    assert "longer than 1 MiB" in unreadable(path)
    path.write_bytes(gzip.compress((b" " * 1000 + b"\n") * 4000))
    assert "unpacked" in unreadable(path)


@given(programs=st.lists(small_programs(), min_size=1, max_size=4), packed=st.booleans())
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, programs: list[AgentProgram], packed: bool
) -> None:
    path = tmp_path_factory.mktemp("traces") / ("t.jsonl.gz" if packed else "t.jsonl")
    write_trace(path, programs)
    assert read_trace(path) == tuple(programs)


def test_a_trace_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError) as found:
        write_trace(tmp_path / "no" / "t.jsonl", [])
    assert found.value.code == "file_unwritable"
