"""Declared rules: which calls are easy enough for a smaller model, or belong to certain engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from treadle.serving.router.config import Condition, RuleConfig
from treadle.serving.router.facts import CallFacts


def matching_rule(
    rules: Sequence[RuleConfig],
    facts: CallFacts,
    prompt_tokens: int,
    headers: Mapping[str, str],
) -> RuleConfig | None:
    """The first of `rules` that fits; header names in lower case."""
    for rule in rules:
        if _fits(rule.when, facts, prompt_tokens, headers):
            return rule
    return None


def _fits(
    when: Condition, facts: CallFacts, prompt_tokens: int, headers: Mapping[str, str]
) -> bool:
    left = facts.remaining_calls
    return all(
        (
            not when.purpose or facts.purpose in when.purpose,
            not when.models or facts.model in when.models,
            when.min_prompt_tokens is None or prompt_tokens >= when.min_prompt_tokens,
            when.max_prompt_tokens is None or prompt_tokens <= when.max_prompt_tokens,
            # Where it is not known how many calls are left, the call is not known to be easy.
            when.max_remaining_calls is None
            or (left is not None and left <= when.max_remaining_calls),
            when.tools is None or facts.has_tools == when.tools,
            all(headers.get(name.lower()) == value for name, value in when.headers.items()),
        )
    )
