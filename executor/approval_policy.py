"""A policy in code: which calls run, which ask a person, and which never happen."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from treadle.core.errors import ConfigError
from treadle.core.json_value import JsonValue
from treadle.executor.approval import (
    ApprovalRequest,
    Approve,
    Reply,
    needs_approval,
)
from treadle.tools import Effect, Tool

Predicate: TypeAlias = Callable[..., object]
"""Called with the arguments of a call by name; whether a rule is about that call."""


class Verdict(IntEnum):
    """What a rule says, the most severe last."""

    ALLOW = 0
    ASK = 1
    DENY = 2


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a policy says of one call, and why; `by_rule`: and not for want of any rule."""

    verdict: Verdict
    reason: str | None = None
    by_rule: bool = True


UNTRUSTED = "its arguments hold what came from an untrusted source"


def default_ruling(tool: Tool, *, untrusted: bool = False) -> Ruling:
    """What becomes of a call of `tool` that no rule is about.

    untrusted: whether what came from an untrusted source would reach a tool that changes things,
        or that takes it somewhere else.
    """
    if tool.approval == "deny":
        return Ruling(Verdict.DENY, f"'{tool.name}' says itself that it is not to be called")
    if untrusted:
        return Ruling(Verdict.ASK, UNTRUSTED)
    verdict = Verdict.ASK if needs_approval(tool) else Verdict.ALLOW
    return Ruling(verdict, by_rule=tool.approval == "ask")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a policy; `allow`, `ask` and `deny` make it.

    tools: names, `*` and `?` as in file names; none stands for all tools.
    effects: effect classes; none stands for all.
    when: about calls with these arguments only; None for all.
    untrusted: about calls only whose arguments hold what came from an untrusted source, or only
        about others; None for both, but allowing them takes an explicit True.
    """

    verdict: Verdict
    tools: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()
    when: Predicate | None = None
    reason: str | None = None
    untrusted: bool | None = None

    def is_about(self, tool: Tool, *, untrusted: bool = False) -> bool:
        """Whether calls of `tool` fall under the rule, as far as their arguments do."""
        if self.untrusted is not None and self.untrusted is not untrusted:
            return False
        if untrusted and self.verdict is Verdict.ALLOW and not self.untrusted:
            return False
        named = not self.tools or any(fnmatchcase(tool.name, each) for each in self.tools)
        return named and (not self.effects or tool.effect in self.effects)


Names: TypeAlias = str | Iterable[str] | None
Effects: TypeAlias = Effect | str | Iterable[Effect | str] | None


def allow(
    *,
    tool: Names = None,
    effect: Effects = None,
    when: Predicate | None = None,
    untrusted: bool | None = None,
) -> Rule:
    """Calls that run without asking. See `deny` for the arguments.

    Only a rule that says `untrusted=True` allows calls whose arguments hold what came from an
    untrusted source; and none allows what a tool itself refuses, or asks for.
    """
    return _rule(Verdict.ALLOW, tool, effect, when, None, untrusted)


def ask(
    *,
    tool: Names = None,
    effect: Effects = None,
    when: Predicate | None = None,
    reason: str | None = None,
    untrusted: bool | None = None,
) -> Rule:
    """Calls that a person must agree to; `reason` is shown. See `deny` for the other arguments."""
    return _rule(Verdict.ASK, tool, effect, when, reason, untrusted)


def deny(
    *,
    tool: Names = None,
    effect: Effects = None,
    when: Predicate | None = None,
    reason: str | None = None,
    untrusted: bool | None = None,
) -> Rule:
    """Calls that never happen, whoever agrees.

    tool: one name or several, or patterns like "mail.*"; every tool by default.
    effect: one effect class or several; every one by default.
    when: called with the arguments as the tool would get them, defaults filled in, by name; the
        rule counts where it gives something true. Take `**_` for those that do not matter. Where
        it raises, the call asks at least.
    reason: what the error says.
    untrusted: True for calls only whose arguments hold what came from an untrusted source, where
        that would change things or leave for somewhere else; False for all others.

    Raises ConfigError (`bad_approval_rule`).
    """
    return _rule(Verdict.DENY, tool, effect, when, reason, untrusted)


class ApprovalPolicy:
    """Rules in their order; the first that is about a call decides on it.

    Where none is, a call asks that cannot be repeated and has no undo, or is irreversible; others
    run. Rules can be stricter than a tool's own `approval`, and not looser. What came from an
    untrusted source asks before it reaches a call with effects, or one into the open world: only
    `allow(..., untrusted=True)` lets it pass. No plan and no
    model has a say: only the tool of a call, its arguments and their sources count.

    ask_with: who answers what asks; None where it waits for `RunStream.approve`, `Runtime.approve`
        or `treadle approve`.

    It stands wherever an `Approve` does. Raises ConfigError (`bad_approval_rule`).
    """

    def __init__(self, *rules: Rule, ask_with: Approve | None = None) -> None:
        for each in rules:
            if not isinstance(each, Rule):
                raise _bad(f"{each!r} is no rule; make them with allow, ask and deny")
        if isinstance(ask_with, ApprovalPolicy):
            raise _bad("ask_with is who answers, not another policy")
        self.rules = rules
        self.ask_with = ask_with
        self._around: ApprovalPolicy | None = None

    def asking(self, approve: Approve | None) -> ApprovalPolicy:
        """The same rules, with `approve` to answer what asks."""
        policy = ApprovalPolicy(*self.rules, ask_with=approve)
        policy._around = self._around
        return policy

    def within(self, around: ApprovalPolicy) -> ApprovalPolicy:
        """For a run within another one: what either says, the more severe first."""
        policy = self.asking(around.ask_with or self.ask_with)
        policy._around = around
        return policy

    def ruling(
        self,
        tool: Tool,
        arguments: Mapping[str, JsonValue] | None,
        *,
        untrusted: bool = False,
    ) -> Ruling | None:
        """What is to become of a call of `tool`; None where that takes its arguments.

        arguments: resolved; None while they are not known.
        untrusted: whether they hold what came from an untrusted source, and that matters.

        Raises ToolError (`invalid_arguments`) where a rule looks at arguments that do not fit.
        """
        own = self._own_ruling(tool, arguments, untrusted)
        if own is None or self._around is None:
            return own
        outer = self._around.ruling(tool, arguments, untrusted=untrusted)
        return None if outer is None else most_severe((outer, own))

    def _own_ruling(
        self, tool: Tool, arguments: Mapping[str, JsonValue] | None, untrusted: bool
    ) -> Ruling | None:
        doubt: Ruling | None = None
        for rule in self.rules:
            if not rule.is_about(tool, untrusted=untrusted):
                continue
            if rule.when is not None:
                if arguments is None:
                    return None
                holds = _holds(rule.when, tool, arguments)
                if isinstance(holds, Ruling):
                    # Nobody knows whether this rule is about the call. Not to be taken for a yes;
                    # nor may arguments that upset it weaken a rule that comes later.
                    doubt = doubt or holds
                    continue
                if not holds:
                    continue
            floor = None if tool.approval in (None, "allow") else default_ruling(tool)
            return most_severe((doubt, Ruling(rule.verdict, rule.reason), floor))
        return most_severe((doubt, default_ruling(tool, untrusted=untrusted)))

    async def __call__(self, request: ApprovalRequest) -> Reply:
        """Answer as `ask_with` does, and leave open what it does not; rules come before this."""
        return {} if self.ask_with is None else await self.ask_with(request)


def most_severe(rulings: Iterable[Ruling | None]) -> Ruling:
    """The most severe of `rulings`, the first of equals; allowed where there is none."""
    known = (each for each in rulings if each is not None)
    return max(known, key=lambda each: (each.verdict, each.by_rule), default=Ruling(Verdict.ALLOW))


def policy_of(approve: Approve | None) -> ApprovalPolicy | None:
    """The rules in `approve`; None where it is merely somebody to ask."""
    return approve if isinstance(approve, ApprovalPolicy) else None


def joined(approve: Approve | None, own: Approve | None, *, nested: bool = False) -> Approve | None:
    """Who decides in a run, where `approve` does in all runs and `own` was said for this one.

    Rules stay when only somebody to ask is named. nested: `own` are those of the run around it,
    which can add to the rules of `approve` and take nothing from them.
    """
    rules, own_rules = policy_of(approve), policy_of(own)
    if own is None or rules is None:
        return own or approve
    if own_rules is None:
        return rules.asking(own)
    return rules.within(own_rules) if nested else own_rules


def _holds(when: Predicate, tool: Tool, arguments: Mapping[str, JsonValue]) -> bool | Ruling:
    """Whether `when` is true of a call; a ruling to ask where it does not say."""
    # A copy: what a rule does to the arguments is not to reach the call.
    seen = {**_defaults(tool), **tool.signature.check(tool.name, deepcopy(dict(arguments)))}
    try:
        said = when(**seen)
        if inspect.isawaitable(said):
            if inspect.iscoroutine(said):
                said.close()
            raise TypeError("it is asynchronous")
        return bool(said)
    except Exception as error:  # noqa: BLE001 - whatever somebody's predicate raises is no yes
        reason = f"a rule cannot tell: {type(error).__name__}: {error}"
        return Ruling(Verdict.ASK, reason[:300])


def _defaults(tool: Tool) -> dict[str, Any]:
    properties = tool.parameters.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {
        name: deepcopy(schema["default"])
        for name, schema in properties.items()
        if isinstance(schema, dict) and "default" in schema
    }


def _rule(
    verdict: Verdict,
    tool: Names,
    effect: Effects,
    when: Predicate | None,
    reason: str | None,
    untrusted: bool | None,
) -> Rule:
    tools = (tool,) if isinstance(tool, str) else tuple(tool or ())
    effects = (effect,) if isinstance(effect, str) else tuple(effect or ())
    if (tool is not None and not tools) or (effect is not None and not effects):
        raise _bad("a rule about no tool or no effect is about nothing")
    if not all(isinstance(each, str) and each for each in tools):
        raise _bad(f"{tools!r}: a tool is named by a text")
    for each in effects:
        if each not in list(Effect):
            raise _bad(f"'{each}' is no effect")
    if when is not None and (not callable(when) or inspect.iscoroutinefunction(when)):
        raise _bad("`when` is a plain function of the arguments of a call")
    if untrusted not in (None, True, False):
        raise _bad("`untrusted` is True, False or None")
    return Rule(verdict, tools, tuple(Effect(each) for each in effects), when, reason, untrusted)


def _bad(reason: str) -> ConfigError:
    return ConfigError("bad_approval_rule", reason)
