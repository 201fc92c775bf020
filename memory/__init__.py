"""Memory: what was said, what holds and since when, and what runs have taught.

Everything public is named here and loads when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treadle.memory.carrying import Imported
    from treadle.memory.episode import Episode, Remembered
    from treadle.memory.erasure.receipt import Proof, Receipt
    from treadle.memory.fact import Fact
    from treadle.memory.hit import Hit, Recall
    from treadle.memory.kinds import Kind, Origin
    from treadle.memory.langgraph import TreadleCheckpointer, TreadleStore
    from treadle.memory.learning import (
        Artifact,
        Concept,
        Instruction,
        Procedure,
        Summary,
    )
    from treadle.memory.memory import Memory
    from treadle.memory.namespace import Namespace
    from treadle.memory.policies import Enforced, Policy
    from treadle.memory.statistics import Statistics
    from treadle.memory.writing.draft import Draft
    from treadle.memory.writing.facts import Told
    from treadle.memory.writing.outbox import DeadLetter
    from treadle.memory.writing.statement import Statement

_HOMES = {
    "episode": ("Episode", "Remembered"),
    "erasure.receipt": ("Proof", "Receipt"),
    "fact": ("Fact",),
    "hit": ("Hit", "Recall"),
    "kinds": ("Kind", "Origin"),
    "langgraph": ("TreadleCheckpointer", "TreadleStore"),
    "memory": ("Memory",),
    "namespace": ("Namespace",),
    "carrying": ("Imported",),
    "learning": ("Artifact", "Concept", "Instruction", "Procedure", "Summary"),
    "policies": ("Enforced", "Policy"),
    "statistics": ("Statistics",),
    "writing.draft": ("Draft",),
    "writing.facts": ("Told",),
    "writing.outbox": ("DeadLetter",),
    "writing.statement": ("Statement",),
}
_WHERE = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Artifact",
    "Concept",
    "DeadLetter",
    "Draft",
    "Enforced",
    "Episode",
    "Fact",
    "Hit",
    "Imported",
    "Instruction",
    "Kind",
    "Memory",
    "Namespace",
    "Origin",
    "Policy",
    "Procedure",
    "Proof",
    "Recall",
    "Receipt",
    "Remembered",
    "Statement",
    "Statistics",
    "Summary",
    "Told",
    "TreadleCheckpointer",
    "TreadleStore",
]


def __getattr__(name: str) -> object:
    home = _WHERE.get(name)
    if home is None:
        raise AttributeError(f"module 'treadle.memory' has no attribute {name!r}")
    value: object = getattr(import_module(f"treadle.memory.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
