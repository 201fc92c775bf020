"""What forgetting does to the copies that are kept to undo calls."""

from __future__ import annotations

from pathlib import Path

from treadle.cli.memory_purges import KeptPurge
from treadle.memory.erasure.sought import Sought


async def test_copies_and_records_go(tmp_path: Path) -> None:
    for name in ("copies", "calls"):
        (tmp_path / name).mkdir()
    (tmp_path / "copies" / "aa").write_text("notes on Alice Canary\n", "utf-8")
    (tmp_path / "copies" / "bb").write_bytes(b"\xff\x00 other")
    (tmp_path / "calls" / "cc.json").write_text('{"path": "alice_canary.txt"}', "utf-8")
    (tmp_path / "calls" / "dd.json").write_text('{"path": "other.txt"}', "utf-8")
    purge = KeptPurge(tmp_path)
    done = await purge.purge(Sought(["Alice Canary"]))
    assert done == {"kept copy": 1, "record of a call": 1}
    assert sorted(each.name for each in tmp_path.glob("*/*")) == ["bb", "dd.json"]
    assert await purge.purge(Sought(["Alice Canary"])) == {}
    assert await KeptPurge(tmp_path / "none").purge(Sought(["Alice"])) == {}
