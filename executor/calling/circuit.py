"""A circuit breaker: a tool that keeps failing is left alone for a while.

Closed, open, half-open, as in M. Nygard, Release It!, chapter 5.
"""

from __future__ import annotations

from enum import Enum, auto

from treadle.core.clock import Clock, iso_time
from treadle.core.errors import ModelError, ToolError, TreadleError
from treadle.tools.limits import CircuitBreaker


class Verdict(Enum):
    """What the end of a call says about the health of its tool."""

    ANSWERED = auto()
    FAILED = auto()
    NOTHING = auto()

    @classmethod
    def of(cls, error: TreadleError) -> Verdict:
        """What `error` says: one that may pass is a failure, a definite refusal an answer."""
        if not isinstance(error, ToolError | ModelError) or error.code == "invalid_arguments":
            return cls.NOTHING
        return cls.FAILED if error.retryable else cls.ANSWERED


class Attempt:
    """One call that a circuit let through; it is settled once, or released without a verdict."""

    __slots__ = ("_circuit", "_generation")

    def __init__(self, circuit: Circuit, generation: int) -> None:
        self._circuit = circuit
        self._generation = generation

    def settle(self, verdict: Verdict) -> None:
        """Tell the circuit how the call ended; only the first time counts."""
        generation, self._generation = self._generation, -1
        self._circuit._settle(generation, verdict)

    def release(self) -> None:
        """The call is over; without a verdict so far it had none (it was cancelled, say)."""
        self.settle(Verdict.NOTHING)


class Circuit:
    """The state of one tool's circuit."""

    def __init__(self, name: str, breaker: CircuitBreaker, clock: Clock) -> None:
        self._name = name
        self._breaker = breaker
        self._clock = clock
        self._failures = 0
        self._open_until: float | None = None
        self._probe_until: float | None = None
        # Grows with every change of state, so that a call that began before one says nothing
        # about what came after it.
        self._generation = 0

    def check(self) -> None:
        """Raises ToolError (`circuit_open`) where a call would not be let through now."""
        if self._open_until is None:
            return
        now = self._clock.monotonic()
        if now < self._open_until:
            left = self._open_until - now
            raise ToolError(
                "circuit_open",
                f"'{self._name}' failed {self._failures} times in a row; it is tried "
                f"again in {left:.3g} s, at {iso_time(self._clock.now() + left)}: call it then, "
                f"or do without it",
                retryable=True,
            )
        if self._probe_until is not None and now < self._probe_until:
            raise ToolError(
                "circuit_open",
                f"'{self._name}' failed {self._failures} times in a row and is being "
                f"tried again at this moment, until {self._iso(self._probe_until)} at the latest: "
                f"call it after that, or do without it",
                retryable=True,
            )

    def admit(self, seconds: float) -> Attempt:
        """Let a call through; in a half-open circuit it is the probe.

        seconds: how long the call should take. A probe that is older is lost, and another one is
        let through.

        Raises ToolError (`circuit_open`).
        """
        self.check()
        if self._open_until is not None:
            self._generation += 1
            self._probe_until = self._clock.monotonic() + seconds
        return Attempt(self, self._generation)

    def _settle(self, generation: int, verdict: Verdict) -> None:
        if generation != self._generation:
            return
        probed, self._probe_until = self._probe_until is not None, None
        if verdict is Verdict.ANSWERED:
            self._failures = 0
            if probed:
                self._generation += 1
                self._open_until = None
        elif verdict is Verdict.FAILED:
            self._failures += 1
            # Only an answer sets it back, so a probe that fails is one failure too many already.
            if self._failures >= self._breaker.failures:
                self._generation += 1
                self._open_until = self._clock.monotonic() + self._breaker.seconds

    def _iso(self, moment: float) -> str:
        return iso_time(self._clock.now() + moment - self._clock.monotonic())
