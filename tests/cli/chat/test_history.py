import stat
from pathlib import Path

import pytest

from treadle.cli.chat.history import LONGEST_ENTRY, MOST_BYTES, PrivateHistory


def entries(path: Path) -> list[str]:
    return list(PrivateHistory(path).load_history_strings())


def test_entries_come_back_newest_first_and_stay_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "history"
    history = PrivateHistory(path)
    for entry in ("first", "second\nwith a line", "third \ud800"):
        history.store_string(entry)
    assert entries(path) == ["third ?", "second\nwith a line", "first"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.touch(mode=0o644)
    path.chmod(0o644)
    PrivateHistory(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "history"
    history = PrivateHistory(path)
    for number in range(MOST_BYTES // 10_000 + 2):
        history.store_string(f"{number}" + "x" * 10_000)
    kept = entries(path)
    assert path.stat().st_size < MOST_BYTES
    assert kept[0].startswith(f"{MOST_BYTES // 10_000 + 1}x")
    assert all(len(entry) > 10_000 for entry in kept)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_pasted_book_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "history"
    PrivateHistory(path).store_string("x" * (LONGEST_ENTRY + 1))
    assert entries(path) == []


def test_damage_costs_no_session(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_bytes(b"\xff\xfe\x00+\n+kept\n\n# no date\n+also \xff\n")
    assert entries(path) == ["also \ufffd", "kept"]


def test_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        PrivateHistory(tmp_path / "file" / "history")


def test_a_disk_that_fails_later_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "history"
    history = PrivateHistory(path)
    path.unlink()
    path.mkdir()
    history.store_string("lost")
    assert isinstance(history.failure, OSError)
    history.store_string("too")
