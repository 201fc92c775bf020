# pyright: reportMissingImports=false
"""A real engine in this process, taken step by step."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vllm import LLM
    from vllm.v1.kv_hints import KvHintsEnvelope

    from treadle.serving.vllm_plugin import ProgramScheduler

OURS = "treadle.serving.vllm_plugin.ProgramScheduler"
STOCK = None
BLOCK = 32
"""Tokens; the CPU backend takes multiples of it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of one request; times are steps of the engine."""

    tokens: tuple[int, ...]
    prompt_tokens: int
    cached_tokens: int
    step: int


@dataclass(slots=True)
class Engine:
    """One engine; `replies` fills up with what finished, by request id."""

    llm: LLM
    replies: dict[str, Reply] = field(default_factory=dict)
    steps: int = 0

    @property
    def scheduler(self) -> ProgramScheduler:
        core: Any = self.llm.llm_engine.engine_core
        return core.engine_core.scheduler

    @property
    def busy(self) -> bool:
        return self.llm.llm_engine.has_unfinished_requests()

    @property
    def free_blocks(self) -> int:
        return self.scheduler.kv_cache_manager.block_pool.get_num_free_blocks()

    def add(
        self,
        name: str,
        prompt: Sequence[int],
        tokens: int,
        *,
        hint: Mapping[str, object] | None = None,
        session_id: str | None = None,
        kv_hints: KvHintsEnvelope | None = None,
    ) -> str:
        """Ask for exactly `tokens` tokens, greedily; returns the engine's id of the request."""
        from vllm import SamplingParams, TokensPrompt

        parameters = SamplingParams(
            temperature=0.0,
            max_tokens=tokens,
            ignore_eos=True,
            detokenize=False,
            extra_args=dict(hint) if hint else None,
        )
        return self.llm.llm_engine.add_request(
            name,
            TokensPrompt(prompt_token_ids=list(prompt)),
            parameters,
            session_id=session_id,
            kv_hints=kv_hints,
        )

    def step(self) -> list[str]:
        """Take one step; returns which requests finished in it."""
        self.steps += 1
        finished: list[str] = []
        for output in self.llm.llm_engine.step():
            if output.finished:
                self.replies[output.request_id] = Reply(
                    tuple(output.outputs[0].token_ids),
                    len(output.prompt_token_ids or ()),
                    output.num_cached_tokens or 0,
                    self.steps,
                )
                finished.append(output.request_id)
        return finished

    def finish(self, most: int = 10_000) -> None:
        """Take steps until nothing is left to do."""
        for _ in range(most):
            if not self.busy:
                return
            self.step()
        raise AssertionError(f"requests left after {most} steps")

    def reply(self, name: str, prompt: Sequence[int], tokens: int, **how: Any) -> Reply:
        """Ask, and wait for the answer."""
        self.add(name, prompt, tokens, **how)
        self.finish()
        return self.replies[name]


@contextmanager
def started(
    model: Path,
    scheduler: str | type | None,
    *,
    blocks: int = 64,
    policy: str = "treadle",
    context: int = 1024,
    batched_tokens: int = 512,
    sequences: int = 16,
    **options: Any,
) -> Iterator[Engine]:
    """An engine that runs until the block is left. policy: of ours, by name."""
    from vllm import LLM
    from vllm.distributed import cleanup_dist_env_and_memory

    options.setdefault("dtype", "float32")
    if scheduler is not None:
        options["additional_config"] = {"treadle": {"policy": policy}}
    llm = LLM(
        str(model),
        block_size=BLOCK,
        num_gpu_blocks_override=blocks,
        max_model_len=context,
        max_num_batched_tokens=batched_tokens,
        max_num_seqs=sequences,
        enforce_eager=True,
        enable_prefix_caching=True,
        scheduler_cls=scheduler,
        seed=0,
        **options,
    )
    engine = Engine(llm)
    try:
        yield engine
    finally:
        llm.llm_engine.engine_core.shutdown()
        del engine.llm, llm
        gc.collect()
        cleanup_dist_env_and_memory()
