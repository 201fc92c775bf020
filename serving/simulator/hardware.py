"""How long an engine's step takes, and how much KV it holds: a model in place of the GPU.

A roofline: a step takes as long as its arithmetic or its memory traffic, whichever is longer, and
a constant for everything else. Prefill is bound by the first, decoding by the second.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hardware:
    """A model on a GPU; the defaults are an 8B model (Llama 3.1's shape, bf16) on an H100 SXM.

    pool_tokens: KV that fits beside the weights, in tokens.
    kv_bytes: of one token.
    step_tokens: at most so many tokens are computed in a step (chunked prefill).
    max_running: at most so many calls run at once.
    block_tokens: the granularity of the prefix cache.
    parameters, layers, width: of the model; weights are 2 bytes each.
    flops: what prefill reaches, 55% of the 989 teraflops of the data sheet.
    bandwidth: bytes a second that decoding reaches, 80% of 3.35 TB/s.
    overhead_seconds: of every step: launches, sampling, scheduling.
    cpu_tokens: KV that the CPU tier holds; 0 without one.
    cpu_bandwidth: bytes a second from there, 50 of the 64 GB/s of PCIe 5 x16.
    """

    pool_tokens: int = 397_000
    kv_bytes: int = 131_072
    step_tokens: int = 8_192
    max_running: int = 256
    block_tokens: int = 16
    parameters: float = 8.03e9
    layers: int = 32
    width: int = 4_096
    flops: float = 0.55 * 989e12
    bandwidth: float = 0.8 * 3.35e12
    overhead_seconds: float = 0.001
    cpu_tokens: int = 0
    cpu_bandwidth: float = 50e9

    @property
    def reload_rate(self) -> float | None:
        """Tokens a second that come back from the CPU tier; None without one."""
        return self.cpu_bandwidth / self.kv_bytes if self.cpu_tokens else None

    def step_seconds(
        self, tokens: int, attended: float, context_tokens: float, steps: int = 1
    ) -> float:
        """The length of a step, or of `steps` alike ones.

        tokens: computed in one step, prefilled and decoded.
        attended: pairs of a prefilled token and a token before it, in one step.
        context_tokens: KV read in one step, on average where there are several.
        """
        arithmetic = 2 * self.parameters * tokens + 4 * self.layers * self.width * attended
        traffic = 2 * self.parameters + self.kv_bytes * context_tokens
        slowest = max(arithmetic / self.flops, traffic / self.bandwidth)
        return steps * (slowest + self.overhead_seconds)
