# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""vLLM's real scheduler and KV cache without a model: what runs it is a made-up model runner.

Needs vllm. A `Bench` is one scheduler with its clock; `Bench.step` is one engine step. What a bench
is made of, and what goes into it, can be had from here too.
"""

from __future__ import annotations

import functools
import warnings
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from tests.engine.block_accounting import check_blocks
from tests.engine.cache_specs import full_attention, mamba, sliding_window
from tests.engine.scheduler_config import BLOCK, model_folder, vllm_config
from tests.engine.scheduler_requests import call, text
from tests.engine.timed_holding import HoldingPolicy

with warnings.catch_warnings():
    # vLLM, torch and what they bring warn about each other while they are loaded.
    warnings.simplefilter("ignore")
    from vllm.config import set_current_vllm_config
    from vllm.v1.core.sched.async_scheduler import AsyncScheduler
    from vllm.v1.core.sched.output import SchedulerOutput
    from vllm.v1.core.sched.scheduler import Scheduler
    from vllm.v1.kv_cache_interface import (
        KVCacheConfig,
        KVCacheGroupSpec,
        KVCacheSpec,
        KVCacheTensor,
    )
    from vllm.v1.outputs import KVConnectorOutput, ModelRunnerOutput
    from vllm.v1.request import Request, RequestStatus
    from vllm.v1.structured_output import StructuredOutputManager

    from treadle.serving.policy import SchedulingPolicy
    from treadle.serving.vllm_plugin.scheduler import ProgramScheduler
    from treadle.serving.vllm_plugin.settings import EngineSettings

STEP_SECONDS = 0.01
"""How long a step takes on the bench's clock."""


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Bench:
    """One scheduler, and a model runner that gives each call as many tokens as it wants.

    outputs: what was scheduled, step by step. tier: the workers of a connector, where there is one.
    """

    scheduler: Scheduler
    clock: Clock
    asynchronous: bool
    tokens: Callable[[str, int], int]
    outputs: list[SchedulerOutput] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    tier: Callable[[SchedulerOutput], KVConnectorOutput] | None = None
    _in_flight: deque[SchedulerOutput] = field(default_factory=deque)
    _made: Counter[str] = field(default_factory=Counter)

    def add(self, request: Request) -> None:
        self.scheduler.add_request(request)

    def step(self, seconds: float = STEP_SECONDS) -> SchedulerOutput:
        """Schedule, and take in the output of this step, or of the last where steps overlap."""
        output = self.scheduler.schedule()
        self.outputs.append(output)
        self._in_flight.append(output)
        self.clock.now += seconds
        while len(self._in_flight) > (1 if self.asynchronous else 0):
            self._take_in(self._in_flight.popleft())
        return output

    def drain(self) -> None:
        """Take in what is still under way."""
        while self._in_flight:
            self._take_in(self._in_flight.popleft())

    def run(self, most: int = 2000) -> int:
        """Step until nothing is left to do; how many steps that took."""
        for n in range(most):
            if not self.scheduler.has_unfinished_requests() and not self._in_flight:
                return n
            self.step()
            if not self.scheduler.has_unfinished_requests():
                self.drain()
        raise AssertionError(f"still busy after {most} steps")

    def _take_in(self, output: SchedulerOutput) -> None:
        names = list(output.num_scheduled_tokens)
        sampled = [self._sample(output, each) for each in names]
        result = ModelRunnerOutput(
            req_ids=names,
            req_id_to_index={each: n for n, each in enumerate(names)},
            sampled_token_ids=sampled,
            kv_connector_output=None if self.tier is None else self.tier(output),
        )
        for each in self.scheduler.update_from_output(output, result).values():
            self.finished += [
                one.request_id for one in each.outputs if one.finish_reason is not None
            ]

    def _sample(self, output: SchedulerOutput, name: str) -> list[int]:
        request = self.scheduler.requests.get(name)
        if request is None:
            return []
        started = next(
            (each.num_computed_tokens for each in output.scheduled_new_reqs if each.req_id == name),
            None,
        )
        if started is None:
            cached = output.scheduled_cached_reqs
            started = cached.num_computed_tokens[cached.req_ids.index(name)]
        reached = started + output.num_scheduled_tokens[name]
        if reached < request.num_tokens:
            return []  # a prefill's chunk
        self._made[name] += 1
        return [self.tokens(name, self._made[name])]


def _tensors(blocks: int) -> list[KVCacheTensor]:
    page = full_attention().page_size_bytes
    return [
        KVCacheTensor(
            size=page * blocks, layers=["layer0"], layer_stride=page * blocks, block_stride=page
        )
    ]


@functools.cache
def _structured_output(model: str) -> StructuredOutputManager:
    return StructuredOutputManager(vllm_config(model, blocks=16))


def bench(
    model: str,
    *,
    stock: bool = False,
    program_policy: SchedulingPolicy | None = None,
    blocks: int = 64,
    groups: Sequence[KVCacheSpec] | None = None,
    settings: EngineSettings | None = None,
    asynchronous: bool = False,
    engine_clock: Callable[[], float] | None = None,
    **options: object,
) -> Bench:
    """A bench with vLLM's scheduler (`stock`) or ours in it; `engine_clock` for real time."""
    # Made once for all benches that are alike: it is expensive, and schedulers only read it.
    config = vllm_config(model, blocks=blocks, asynchronous=asynchronous, **options)  # type: ignore[arg-type]
    clock = Clock()
    cache = KVCacheConfig(
        num_blocks=blocks,
        kv_cache_tensors=_tensors(blocks) if options.get("connector") == "offloading" else [],
        kv_cache_groups=[
            KVCacheGroupSpec([f"layer{n}"], spec)
            for n, spec in enumerate(groups or [full_attention()])
        ],
    )
    arguments = {
        "vllm_config": config,
        "kv_cache_config": cache,
        "structured_output_manager": _structured_output(model),
        "block_size": BLOCK,
        "log_stats": True,
    }
    with set_current_vllm_config(config):
        scheduler: Scheduler
        if stock:
            scheduler = (AsyncScheduler if asynchronous else Scheduler)(**arguments)
        else:
            scheduler = ProgramScheduler(
                **arguments,
                program_policy=program_policy or HoldingPolicy(),
                engine_clock=engine_clock or clock,
                settings=settings or EngineSettings(),
            )
    return Bench(
        scheduler, clock, asynchronous, lambda name, n: 2 + (crc32(name.encode()) + n) % 400
    )


__all__ = [
    "BLOCK",
    "STEP_SECONDS",
    "Bench",
    "Clock",
    "HoldingPolicy",
    "RequestStatus",
    "StructuredOutputManager",
    "bench",
    "call",
    "check_blocks",
    "full_attention",
    "mamba",
    "model_folder",
    "sliding_window",
    "text",
    "vllm_config",
]
