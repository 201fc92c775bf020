"""A hint as vLLM's KvHintsEnvelope, for whoever calls an engine from Python or gRPC.

vLLM 0.32 takes the envelope as `AsyncLLM.generate(kv_hints=...)` (RFC 53421 of vLLM); its OpenAI
server has no field for it, and warns of fields that it does not know: it is not sent there.
"""

from __future__ import annotations

from treadle.core.program import ProgramHint
from treadle.serving.hint_formats.flat import flat

PROTOCOL_VERSION = "1"
ACTION_TYPE = "treadle.program"
"""What our scheduler looks for; components that do not know it leave the action alone."""

ACTION_VERSION = "1"


def kv_hints_envelope(hint: ProgramHint, message_id: str) -> dict[str, object]:
    """The envelope in JSON's terms: `msgspec.convert(envelope, KvHintsEnvelope)` makes vLLM's.

    message_id: unique among the messages of the sender.
    """
    action = {
        "action_id": f"{message_id}/program",
        "action_type": ACTION_TYPE,
        "action_version": ACTION_VERSION,
        "payload": flat(hint),
    }
    return {
        "protocol_version": PROTOCOL_VERSION,
        "message_id": message_id,
        "actions": [action],
    }
