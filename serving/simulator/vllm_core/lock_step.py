# pyright: reportMissingImports=false
"""vLLM's engine with a real model in it, on a clock that counts its steps.

It is a SimulatedEngine like the others: the same programs, run by the same loop, meet a real
engine here and a simulated one there, and what they find in the cache can be compared.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from pathlib import Path

from vllm.engine.arg_utils import EngineArgs
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.core import EngineCore
from vllm.v1.executor.abstract import Executor

from treadle.serving.policy.contract import SchedulingPolicy
from treadle.serving.simulator.engine import Counts, Progress, Request
from treadle.serving.simulator.hardware import Hardware
from treadle.serving.simulator.vllm_core.fit import refuse_what_never_fits
from treadle.serving.simulator.vllm_core.informed_policy import InformedPolicy
from treadle.serving.simulator.vllm_core.request_hint import request_hint
from treadle.serving.simulator.vllm_core.scheduler_with_policy import scheduler_with_policy
from treadle.serving.simulator.vllm_core.virtual_clock import VirtualClock

_VOCABULARY = 300
"""Tokens that prompts are made of; any model's vocabulary has as many."""

_CALLS = 4
"""Calls of the engine in which one step ends, if there is anything to do: two steps may be under
way, and one of them may be empty."""


@dataclass(frozen=True, slots=True)
class StepHardware(Hardware):
    """Hardware on which every step takes one second, whatever is in it: seconds count steps."""

    def step_seconds(
        self, tokens: int, attended: float, context_tokens: float, steps: int = 1
    ) -> float:
        """See `Hardware.step_seconds`."""
        return float(steps)


class _Transcript:
    """What a program has said and heard so far, token by token."""

    def __init__(self, program_id: str) -> None:
        self._filler = random.Random(f"program {program_id}")
        self._tokens: list[int] = []

    def prompt(self, tokens: int) -> list[int]:
        """The next prompt: all there is, cut or filled up to this length."""
        missing = tokens - len(self._tokens)
        self._tokens += [self._filler.randrange(3, _VOCABULARY) for _ in range(missing)]
        del self._tokens[tokens:]
        return list(self._tokens)

    def hear(self, tokens: list[int]) -> None:
        """The model said this."""
        self._tokens += tokens


class LockStepEngine:
    """A real engine in this process; a step of it is a second.

    model: a folder with a model, for vLLM to load with `load_format`.
    hardware: pool, block, tokens a step and calls at once are taken from it.
    policy: decides, in Treadle's scheduler; without one it is vLLM's own.
    asynchronous: whether a step is scheduled before the one before it has ended. vLLM itself does
        so on GPUs only; its decisions are the same ones here.

    A step's outputs are taken in while the clock still shows its beginning: a policy learns of a
    call's end one step earlier than in a simulation. Only what an engine's server can see is
    counted: prompt, output, hit and steps.
    Close it with `close`: it holds the model.
    """

    def __init__(
        self,
        model: Path,
        hardware: Hardware,
        *,
        asynchronous: bool = False,
        load_format: str = "auto",
        policy: SchedulingPolicy | None = None,
    ) -> None:
        arguments = EngineArgs(
            model=str(model),
            skip_tokenizer_init=True,
            load_format=load_format,
            dtype="float32",
            seed=0,
            enforce_eager=True,
            block_size=hardware.block_tokens,
            num_gpu_blocks_override=hardware.pool_tokens // hardware.block_tokens + 1,
            max_num_batched_tokens=hardware.step_tokens,
            max_num_seqs=hardware.max_running,
            max_model_len=hardware.pool_tokens,
            enable_prefix_caching=True,
            async_scheduling=asynchronous,
        )
        configuration = arguments.create_engine_config()
        # vLLM turns it off where there is no GPU.
        configuration.scheduler_config.async_scheduling = asynchronous
        self._hardware = hardware
        self._clock = VirtualClock()
        self._policy = None if policy is None else InformedPolicy(policy)
        if self._policy is not None:
            configuration.scheduler_config.scheduler_cls = scheduler_with_policy(
                self._policy, hardware, self._clock
            )
        self._core = EngineCore(configuration, Executor.get_class(configuration), log_stats=False)
        self._requests: dict[str, Request] = {}
        self._transcripts: dict[str, _Transcript] = {}
        self.counts = Counts()

    def close(self) -> None:
        """Let go of the model."""
        self._core.shutdown()

    def add(self, request: Request, now: float) -> None:
        call = request.call
        refuse_what_never_fits(request, self._hardware)
        self._clock.now = now
        if self._policy is not None:
            self._policy.expect(request)
        transcript = self._transcripts.get(call.program_id)
        if transcript is None:
            transcript = self._transcripts[call.program_id] = _Transcript(call.program_id)
        self._requests[call.call_id] = request
        wired = EngineCoreRequest(
            request_id=call.call_id,
            prompt_token_ids=transcript.prompt(call.prompt_tokens),
            mm_features=None,
            sampling_params=SamplingParams(
                temperature=0.0,
                max_tokens=request.output_tokens,
                ignore_eos=True,
                detokenize=False,
                extra_args=request_hint(request) if self._policy is not None else None,
            ),
            pooling_params=None,
            arrival_time=now,
            lora_request=None,
            cache_salt=None,
            data_parallel_rank=None,
        )
        self._core.add_request(*self._core.preprocess_add_request(wired))

    def end_program(self, program_id: str, now: float) -> None:
        del self._transcripts[program_id]
        if self._policy is not None:
            self._clock.now = now
            self._core.scheduler.end_program(program_id)

    def wake(self, now: float) -> float:
        return now + 1.0 if self._requests else math.inf

    def step(self, now: float, horizon: float) -> Progress:
        if not self._requests:
            return Progress(0.0)
        self._clock.now = now
        finished: list[Request] = []
        for _ in range(_CALLS):
            if self._step(finished):
                self.counts.steps += 1
                return Progress(1.0, finished)
        return Progress(0.0)

    def _step(self, finished: list[Request]) -> bool:
        """One call of the engine; whether a step that computed something has ended with it.

        Where vLLM schedules asynchronously a call may only have scheduled one.
        """
        queue = self._core.batch_queue
        oldest = queue[-1][1].total_num_scheduled_tokens > 0 if queue else False
        outputs, executed = self._core.step_fn()
        self._core.post_step(executed)
        for each in (outputs or {}).values():
            for output in each.outputs:
                call = self._requests[output.request_id].call
                self._transcripts[call.program_id].hear(list(output.new_token_ids))
                self.counts.output += len(output.new_token_ids)
                if output.prefill_stats is not None:
                    self.counts.prompt += output.prefill_stats.num_prompt_tokens
                    self.counts.hit += output.prefill_stats.num_cached_tokens
                if output.finish_reason is not None:
                    finished.append(self._requests.pop(output.request_id))
        if queue is None:
            return bool(executed)
        return outputs is not None and oldest
