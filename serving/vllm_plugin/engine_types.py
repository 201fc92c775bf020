"""What the plugin needs of vLLM's objects, spelled out: it is checked without vllm at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol


class Block(Protocol):
    """One block of the KV pool. ref_cnt: how many hold it; 0 means it is in the free queue."""

    block_id: int
    ref_cnt: int
    is_null: bool

    @property
    def block_hash(self) -> object | None:
        """The hash it is found by; None while it is not full, or not cached."""
        ...


class FreeQueue(Protocol):
    """The free blocks of a pool, in the order in which they are reused."""

    def remove(self, block: Block) -> None:
        """Take one out."""
        ...

    def prepend_n(self, blocks: list[Block]) -> None:
        """Put some in front, in their order."""
        ...


class BlockPool(Protocol):
    """The KV pool. num_gpu_blocks counts one block that is never given out."""

    num_gpu_blocks: int

    @property
    def free_block_queue(self) -> FreeQueue:
        """Its free blocks."""
        ...

    def touch(self, blocks: Sequence[Block]) -> None:
        """One more reference to each, out of the free queue where it was there."""
        ...

    def free_blocks(self, ordered_blocks: Iterable[Block]) -> None:
        """One reference less to each; what is free then is reused in this order."""
        ...

    def get_num_free_blocks(self) -> int:
        """How many can be had now."""
        ...


class SamplingParameters(Protocol):
    """What comes with a request besides its prompt."""

    extra_args: Mapping[str, object] | None
    stop: object


class KvHintAction(Protocol):
    """One action of vLLM's KvHintsEnvelope."""

    action_type: str
    action_version: str
    payload: Mapping[str, object]


class KvHints(Protocol):
    """vLLM's KvHintsEnvelope."""

    actions: Sequence[KvHintAction]


class EngineRequest(Protocol):
    """A request in the engine's core."""

    request_id: str
    priority: int
    session_id: str | None
    num_prompt_tokens: int
    num_computed_tokens: int

    @property
    def num_tokens(self) -> int:
        """Prompt and output so far."""
        ...

    @property
    def num_output_tokens(self) -> int:
        """Output so far."""
        ...

    @property
    def sampling_params(self) -> SamplingParameters | None:
        """None for a pooling request."""
        ...

    @property
    def kv_hints(self) -> KvHints | None:
        """What a Python caller sent along."""
        ...
