"""The catalogue: what is attacked, and that every attack is one."""

from __future__ import annotations

import pytest

from treadle.core.errors import InputError
from treadle.tools.sandbox.attacks import Attack, attacks
from treadle.tools.sandbox.attacks.attack import MEBIBYTE
from treadle.tools.sandbox.attacks.prelude import whole_code

_AT_LEAST = {
    # what a sandbox has to withstand: the attacks that try it
    "files of the host": ("shadow", "host-secret", "environment", "host-write"),
    "other sandboxes": ("other-workspace", "other-execution"),
    "paths": ("symlink", "dot-dot", "proc-root", "hard-link", "file-handle"),
    "sockets": ("tcp", "udp", "abstract-socket", "unix-socket", "dns", "metadata-address"),
    "processes": ("kill", "stop", "ptrace", "memory-read", "memory-write", "canary-files"),
    "floods of processes": ("fork-flood", "fork-relay", "thread-flood"),
    "memory": ("memory", "memory-of-many", "memory-without-a-process"),
    "disk": ("disk", "file-size", "inodes"),
    "output": ("output", "output-from-many"),
    "tables": ("watches", "descriptors"),
    "time": ("endless-loop", "loops-of-many", "deaf", "stopped"),
    "namespaces": ("user-namespace", "other-namespaces", "mount", "chroot", "mknod"),
    "system calls": ("bpf", "perf", "keyring", "io-uring", "setuid-program", "foreign-entry"),
    "what stays": ("daemon", "daemon-by-exec", "inherited-descriptors"),
    "what follows": ("poisoned-modules", "start-up-files", "hooks", "left-files"),
    "results": ("changing-result", "pipe-as-result", "names-of-results", "archive", "devices"),
    "frames": ("forged-end", "broken-frames", "deep-value", "weaker-level"),
    "terminals": ("escapes", "escapes-in-reasons", "terminal-input"),
}


def test_everything_that_must_hold_is_attacked() -> None:
    names = {each.name for each in attacks()}
    missing = {name for wanted in _AT_LEAST.values() for name in wanted} - names
    assert not missing


def test_names_are_unique_and_no_group_is_called_like_an_attack() -> None:
    names = [each.name for each in attacks()]
    assert len(names) == len(set(names)) > 100
    assert not set(names) & {each.group for each in attacks()}


@pytest.mark.parametrize("attack", attacks(), ids=lambda each: each.name)
def test_its_code_is_python_and_its_ceilings_are_low(attack: Attack) -> None:
    for code in (attack.code, attack.then):
        compile(whole_code(code, {"nonce": "n"}), attack.name, "exec")
    assert bool(attack.code) != (attack.command is not None)
    assert attack.aim
    assert attack.limits.seconds <= 20
    assert attack.limits.memory_bytes <= 256 * MEBIBYTE
    assert attack.limits.disk_bytes <= 16 * MEBIBYTE


def test_some_can_be_chosen_by_name_and_by_group() -> None:
    chosen = attacks(["tcp", "time"])
    assert "tcp" in {each.name for each in chosen}
    assert {each.group for each in chosen} == {"network", "time"}
    assert [each.name for each in chosen if each.group == "network"] == ["tcp"]


def test_one_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError) as caught:
        attacks(["tcp", "teleport"])
    assert caught.value.code == "unknown_attack"
    assert "teleport" in caught.value.message
    assert "network" in caught.value.message
