"""From a request to what the gate needs to know of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from treadle.serving.policy.contract import Call, Outcome, ToolUse
from treadle.serving.router.config import RouterConfig, RuleConfig
from treadle.serving.router.engine_client import EngineClient
from treadle.serving.router.errors import RouterError
from treadle.serving.router.facts import CallFacts, facts_of
from treadle.serving.router.observer import Observed
from treadle.serving.router.prefix import PrefixMark, prefix_marks
from treadle.serving.router.rules import matching_rule
from treadle.serving.router.token_estimate import TokenEstimate


@dataclass(frozen=True, slots=True)
class Errand:
    """A request, understood.

    only: the engines that may have it. model: in place of the one that was asked for.
    rule: the name of the rule that applied, "" for none.
    """

    call: Call
    facts: CallFacts
    marks: tuple[PrefixMark, ...]
    only: frozenset[str] | None
    model: str | None
    rule: str


class Intake:
    """Reads what requests say, applies the rules, and learns how long prompts are."""

    def __init__(
        self,
        config: RouterConfig,
        clients: Sequence[EngineClient],
        now: Callable[[], float],
    ) -> None:
        self._config = config
        self._clients = clients
        self._now = now
        self._estimate = TokenEstimate()
        self._numbers = count(1)

    def errand(self, body: Mapping[str, object], headers: Mapping[str, str], tenant: str) -> Errand:
        """What `body` asks for. Raises RouterError (`bad_hint`, `no_such_model`)."""
        facts = _scoped(facts_of(body, headers), tenant)
        tokens = facts.counted_tokens or self._estimate.tokens(facts.prompt, facts.model)
        rule = matching_rule(self._config.rules, facts, tokens, headers)
        model = None if rule is None else rule.model
        now = self._now()
        call = Call(
            call_id=str(next(self._numbers)),
            program_id=facts.program_id,
            branch=facts.branch,
            prompt_tokens=tokens,
            arrived=now,
            remaining_calls=facts.remaining_calls,
            remaining_seconds=facts.remaining_seconds,
            tenant=tenant,
            deadline=None if facts.deadline_seconds is None else now + facts.deadline_seconds,
        )
        return Errand(
            call=call,
            facts=facts,
            marks=prefix_marks(facts.prompt, self._estimate.per_character(facts.model)),
            only=self._engines(rule, model or facts.model),
            model=model,
            rule="" if rule is None else rule.name,
        )

    def outcome(self, errand: Errand, seen: Observed) -> Outcome:
        """How the call ended, as far as its reply shows."""
        facts = errand.facts
        if seen.prompt_tokens is not None:
            self._estimate.learn(facts.prompt, facts.model, seen.prompt_tokens)
        prompt = seen.prompt_tokens or errand.call.prompt_tokens
        output = seen.pieces if seen.output_tokens is None else seen.output_tokens
        return Outcome(
            context_tokens=prompt + output,
            output_tokens=output,
            tools=_tools(facts, seen),
            last=self._is_last(facts, seen),
        )

    def _engines(self, rule: RuleConfig | None, model: str) -> frozenset[str] | None:
        """The engines that serve `model` and that the rule allows; None for all.

        Raises RouterError (`no_such_model`, 404).
        """
        named = () if rule is None else rule.engines
        allowed = [each for each in self._clients if not named or each.name in named]
        # Who does not say what it serves may serve anything.
        able = [each for each in allowed if not each.models or not model or model in each.models]
        if not able:
            raise RouterError("no_such_model", f"no engine serves the model '{model}'", status=404)
        if len(able) == len(self._clients):
            return None
        return frozenset(each.name for each in able)

    def _is_last(self, facts: CallFacts, seen: Observed) -> bool:
        if facts.last_call is not None:
            return facts.last_call
        stopped = seen.finish_reason == "stop" and not seen.tools and not facts.next_tool
        return self._config.stop_is_last and stopped and not facts.remaining_calls


def _scoped(facts: CallFacts, tenant: str) -> CallFacts:
    """Programs of two tenants are two programs, whatever they are called."""
    if not tenant or not facts.program_id:
        return facts
    return replace(facts, program_id=scoped_program(facts.program_id, tenant))


def scoped_program(program_id: str, tenant: str) -> str:
    """The name of a tenant's program, here and at the engines."""
    return f"{tenant}:{program_id}" if tenant else program_id


def _tools(facts: CallFacts, seen: Observed) -> tuple[ToolUse, ...]:
    told = ToolUse(facts.next_tool, facts.next_tool_pattern, facts.next_tool_seconds)
    if not seen.tools:
        return (told,) if facts.next_tool else ()
    return tuple(
        replace(told, tool=name) if facts.next_tool in ("", name) else ToolUse(name)
        for name in seen.tools
    )
