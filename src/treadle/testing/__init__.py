"""Stand-ins for tests, Treadle's own and yours: a scripted model, a fake clock, a real server.

Nothing here needs a development dependency, and nothing here is ever chosen by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from treadle.testing.fake_clock import FakeClock
from treadle.testing.fault import Fault
from treadle.testing.openai_server import RecordedRequest, ScriptedOpenAIServer
from treadle.testing.script import ToolCalls
from treadle.testing.scripted_model import ScriptedModel

if TYPE_CHECKING:
    from treadle.memory.embedders.hashing import HashingEmbedder
    from treadle.serving.offline import OfflineModel

__all__ = [
    "FakeClock",
    "Fault",
    "HashingEmbedder",
    "OfflineModel",
    "RecordedRequest",
    "ScriptedModel",
    "ScriptedOpenAIServer",
    "ToolCalls",
]


def __getattr__(name: str) -> object:
    if name == "OfflineModel":
        from treadle.serving.offline import OfflineModel

        return OfflineModel
    if name == "HashingEmbedder":
        from treadle.memory.embedders.hashing import HashingEmbedder

        return HashingEmbedder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
