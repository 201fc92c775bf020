"""Memory: what was said, what holds and since when, and what runs have taught.

Everything public is named here and loads when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.core.lazy import lazy_names

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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "carrying": ("Imported",),
        "episode": ("Episode", "Remembered"),
        "erasure.receipt": ("Proof", "Receipt"),
        "fact": ("Fact",),
        "hit": ("Hit", "Recall"),
        "kinds": ("Kind", "Origin"),
        "langgraph": ("TreadleCheckpointer", "TreadleStore"),
        "learning": ("Artifact", "Concept", "Instruction", "Procedure", "Summary"),
        "memory": ("Memory",),
        "namespace": ("Namespace",),
        "policies": ("Enforced", "Policy"),
        "statistics": ("Statistics",),
        "writing.draft": ("Draft",),
        "writing.facts": ("Told",),
        "writing.outbox": ("DeadLetter",),
        "writing.statement": ("Statement",),
    },
)
