"""Where cgroups can be made, by what the kernel's files say."""

from pathlib import Path

from treadle.tools.sandbox.levels.cgroup_places import cgroup_parents


def made(folder: Path, *, handed_down: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cgroup.procs").touch()
    if handed_down is not None:
        (folder / "cgroup.subtree_control").write_text(handed_down)
    return folder


def test_version_1_takes_the_own_cgroup(tmp_path: Path) -> None:
    memory = made(tmp_path / "memory" / "mine")
    pids = made(tmp_path / "pids")
    own = tmp_path / "own"
    own.write_text("4:memory:/mine\n8:pids:/\n2:cpu,cpuacct:/\n0::/\n")
    assert cgroup_parents(tmp_path, own) == {"memory": str(memory), "pids": str(pids)}
    made(tmp_path / "cpuacct")
    assert cgroup_parents(tmp_path, own)["cpuacct"] == str(tmp_path / "cpuacct")


def test_version_1_without_memory_is_nothing(tmp_path: Path) -> None:
    made(tmp_path / "pids")
    own = tmp_path / "own"
    own.write_text("8:pids:/\n")
    assert cgroup_parents(tmp_path, own) == {}


def test_version_2_climbs_to_who_hands_memory_down(tmp_path: Path) -> None:
    made(tmp_path, handed_down="cpu memory pids\n")
    made(tmp_path / "user", handed_down="cpu\n")
    made(tmp_path / "user" / "shell", handed_down="")
    own = tmp_path / "own"
    own.write_text("0::/user/shell\n")
    assert cgroup_parents(tmp_path, own) == {"unified": str(tmp_path)}
    made(tmp_path / "user", handed_down="memory pids\n")
    assert cgroup_parents(tmp_path, own) == {"unified": str(tmp_path / "user")}


def test_no_cgroups_at_all(tmp_path: Path) -> None:
    assert cgroup_parents(tmp_path, tmp_path / "missing") == {}
    own = tmp_path / "own"
    own.write_text("0::/../../elsewhere\n")
    assert cgroup_parents(tmp_path, own) == {}
