# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""vLLM's real scheduler and KV cache without a model: what runs it is a made-up model runner.

Needs vllm. A `Bench` is one scheduler with its clock; `Bench.step` is one engine step.
"""

from __future__ import annotations

import functools
import json
import random
import warnings
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

with warnings.catch_warnings():
    # vLLM, torch and what they bring warn about each other while they are loaded.
    warnings.simplefilter("ignore")
    import torch
    from vllm.config import (
        CacheConfig,
        DeviceConfig,
        KVTransferConfig,
        ModelConfig,
        SchedulerConfig,
        VllmConfig,
        set_current_vllm_config,
    )
    from vllm.sampling_params import SamplingParams
    from vllm.utils.hashing import sha256
    from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
    from vllm.v1.core.sched.async_scheduler import AsyncScheduler
    from vllm.v1.core.sched.output import SchedulerOutput
    from vllm.v1.core.sched.scheduler import Scheduler
    from vllm.v1.kv_cache_interface import (
        FullAttentionSpec,
        KVCacheConfig,
        KVCacheGroupSpec,
        KVCacheSpec,
        KVCacheTensor,
        MambaSpec,
        SlidingWindowSpec,
    )
    from vllm.v1.outputs import KVConnectorOutput, ModelRunnerOutput
    from vllm.v1.request import Request, RequestStatus
    from vllm.v1.structured_output import StructuredOutputManager

    from treadle.serving.policy import Call, Hold, Outcome, Pool, SchedulingPolicy, StockPolicy
    from treadle.serving.vllm_plugin.scheduler import ProgramScheduler
    from treadle.serving.vllm_plugin.settings import EngineSettings

BLOCK = 16

_CONFIG = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 8192,
    "vocab_size": 512,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "torch_dtype": "float32",
}

init_none_hash(sha256)


def model_folder(folder: Path) -> str:
    """A folder with the configuration of a tiny model in it, and nothing else."""
    (folder / "config.json").write_text(json.dumps(_CONFIG))
    return str(folder)


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class HoldingPolicy(StockPolicy):
    """Holds what belongs to a program for a fixed time; ranks and admits by arrival.

    release: "none" lets nothing go, "all" everything, "one" the first.
    """

    def __init__(self, seconds: float = 60.0, release: str = "none") -> None:
        self.seconds = seconds
        self.how = release
        self.told: list[tuple[str, str]] = []
        self.asked_to_release: list[bool] = []
        self.started_with: dict[str, int] = {}
        self.steps: list[tuple[int, int, int, float]] = []
        self.outcomes: dict[str, Outcome] = {}

    def arrived(self, call: Call, now: float) -> None:
        self.told.append(("arrived", call.call_id))

    def started(self, call: Call, cached_tokens: int, now: float) -> None:
        self.told.append(("started", call.call_id))
        self.started_with[call.call_id] = cached_tokens

    def preempted(self, call: Call, now: float) -> None:
        self.told.append(("preempted", call.call_id))

    def finished(self, call: Call, outcome: Outcome, pool: Pool, now: float) -> float:
        self.told.append(("finished", call.call_id))
        self.outcomes[call.call_id] = outcome
        return now + self.seconds

    def aborted(self, call: Call, now: float) -> None:
        self.told.append(("aborted", call.call_id))

    def ended(self, program_id: str, now: float) -> None:
        self.told.append(("ended", program_id))

    def stepped(
        self, prefill_tokens: int, decode_tokens: int, context_tokens: int, seconds: float
    ) -> None:
        self.steps.append((prefill_tokens, decode_tokens, context_tokens, seconds))

    def release(
        self, call: Call, tokens: int, holds: Sequence[Hold], pool: Pool, now: float, *, must: bool
    ) -> Sequence[Hold]:
        self.asked_to_release.append(must)
        if self.how == "none":
            return ()
        return holds if self.how == "all" else holds[:1]


def _connector(name: str) -> KVTransferConfig | None:
    if not name:
        return None
    if name == "offloading":
        return KVTransferConfig(
            kv_connector="OffloadingConnector",
            kv_role="kv_both",
            kv_connector_extra_config={"cpu_bytes_to_use": 1 << 24, "offload_prompt_only": False},
        )
    return KVTransferConfig(
        kv_connector="ProgramConnector",
        kv_connector_module_path="treadle.serving.vllm_plugin.connector",
        kv_role="kv_producer",
    )


@functools.cache
def vllm_config(
    model: str,
    *,
    blocks: int,
    max_running: int = 16,
    step_tokens: int = 512,
    longest: int = 2048,
    asynchronous: bool = False,
    policy: str = "fcfs",
    caching: bool = True,
    connector: str = "",
) -> VllmConfig:
    """What an engine would be configured with. connector: "", "holding" (ours) or "offloading"."""
    cache = CacheConfig(block_size=BLOCK, cache_dtype="auto", enable_prefix_caching=caching)
    config = VllmConfig(
        scheduler_config=SchedulerConfig(
            max_num_seqs=max_running,
            max_num_batched_tokens=step_tokens,
            max_model_len=longest,
            enable_chunked_prefill=True,
            is_encoder_decoder=False,
            async_scheduling=asynchronous,
            policy=policy,
        ),
        model_config=ModelConfig(
            model=model, dtype="float32", seed=1, skip_tokenizer_init=True, max_model_len=longest
        ),
        cache_config=cache,
        device_config=DeviceConfig("cpu"),
        kv_transfer_config=_connector(connector),
        additional_config={"treadle": {"policy": f"{__name__}:HoldingPolicy"}} if connector else {},
    )
    config.cache_config.num_gpu_blocks = blocks
    # The CPU platform turns it off, and the scheduler does not care what runs its steps.
    config.scheduler_config.async_scheduling = asynchronous
    return config


def full_attention() -> KVCacheSpec:
    """Every token is kept."""
    return FullAttentionSpec(block_size=BLOCK, num_kv_heads=1, head_size=8, dtype=torch.float32)


def sliding_window(tokens: int = 4 * BLOCK) -> KVCacheSpec:
    """The last `tokens` are kept."""
    return SlidingWindowSpec(
        block_size=BLOCK, num_kv_heads=1, head_size=8, dtype=torch.float32, sliding_window=tokens
    )


def mamba() -> KVCacheSpec:
    """A state, in place of keys and values."""
    # The only mode of 0.33; 0.32 has it too.
    return MambaSpec(
        block_size=BLOCK, shapes=((8,),), dtypes=(torch.float32,), mamba_cache_mode="align"
    )


STEP_SECONDS = 0.01
"""How long a step takes on the bench's clock."""


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


def call(
    name: str,
    prompt: Sequence[int],
    *,
    output: int = 4,
    program: str | None = None,
    branch: str | None = None,
    session: str | None = None,
    priority: int = 0,
    extra: Mapping[str, object] | None = None,
    **options: object,
) -> Request:
    """A request for `output` tokens after `prompt`, with a hint where `program` is named."""
    hint: dict[str, object] = dict(extra or {})
    if program is not None:
        hint["treadle_program_id"] = program
    if branch is not None:
        hint["treadle_step_id"] = branch
    return Request(
        request_id=name,
        prompt_token_ids=list(prompt),
        sampling_params=SamplingParams(
            max_tokens=output, ignore_eos=True, extra_args=hint or None, **options
        ),
        pooling_params=None,
        arrival_time=0.0,
        priority=priority,
        session_id=session,
        block_hasher=get_request_block_hasher(BLOCK, sha256),
    )


def text(seed: int, tokens: int) -> list[int]:
    """`tokens` tokens that differ from those of other seeds."""
    return random.Random(seed).choices(range(2, 500), k=tokens)


def check_blocks(scheduler: Scheduler) -> None:
    """Every block has exactly the references of the requests and pins that hold it."""
    manager = scheduler.kv_cache_manager
    pool = manager.block_pool
    expected: Counter[int] = Counter()
    for each in manager.coordinator.single_type_managers:
        for blocks in each.req_to_blocks.values():
            expected.update(block.block_id for block in blocks if not block.is_null)
    for _, blocks in scheduler.deferred_frees:
        expected.update(block.block_id for block in blocks if not block.is_null)
    pinned: set[int] = set()
    desk = getattr(scheduler, "desk", None) or getattr(scheduler.connector, "desk", None)
    if desk is not None:
        for pin in desk.holdings.pins:
            for group in pin.groups:
                expected.update(block.block_id for block in group)
                pinned.update(block.block_id for block in group)
        assert desk.holdings.pins.blocks == len(pinned) <= desk.holdings.pins.most_blocks
    for block in pool.blocks:
        if not block.is_null:
            assert block.ref_cnt == expected[block.block_id], block
    free = pool.free_block_queue.get_all_free_blocks()
    assert len(free) == pool.get_num_free_blocks() == len({each.block_id for each in free})
    assert {each.block_id for each in free} == {
        each.block_id for each in pool.blocks if not each.is_null and each.ref_cnt == 0
    }


__all__ = [
    "BLOCK",
    "Bench",
    "Clock",
    "HoldingPolicy",
    "RequestStatus",
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
