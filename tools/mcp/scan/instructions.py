"""Texts that tell a model what to do, where they should say what a tool does."""

from __future__ import annotations

import re
from dataclasses import dataclass

from treadle.tools.mcp.scan.finding import Severity

# Bounded gaps throughout: a text of a stranger must not make the matching slow.
_GAP = r"[^.\n]{0,40}?"


_WINDOW = 8_192
_OVERLAP = 512
"""More than any of the patterns is long, markup aside."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    message: str
    severity: Severity
    expression: re.Pattern[str]


def _pattern(message: str, severity: Severity, expression: str) -> _Pattern:
    return _Pattern(message, severity, re.compile(expression, re.IGNORECASE))


KEPT_PLACES = "names places where secrets are kept"

_PATTERNS = (
    _pattern(
        "tells the model to disregard what it was told",
        Severity.SEVERE,
        r"\b(?:ignore|disregard|forget|override|bypass)\b" + _GAP + r"\b(?:previous|prior|above|"
        r"earlier|preceding|all|any|other|your|system|safety)\b" + _GAP + r"\b(?:instructions?|"
        r"prompts?|rules?|guidelines?|directions?|polic(?:y|ies)|context|messages?)\b",
    ),
    _pattern(
        "tells the model to keep something from the user",
        Severity.SEVERE,
        r"\b(?:do\s+not|don'?t|never|without|avoid|must\s+not|should\s+not)\b" + _GAP + r"\b(?:tell"
        r"(?:ing)?|mention(?:ing)?|inform(?:ing)?|notify(?:ing)?|reveal(?:ing)?|alert(?:ing)?|"
        r"show(?:ing)?|disclos(?:e|ing)|ask(?:ing)?|report(?:ing)?)\b" + _GAP + r"\b(?:users?|"
        r"humans?|persons?|people|anyone|anybody|them|operator|this\s+to)\b",
    ),
    _pattern(
        "has a block that is addressed to the model",
        Severity.SEVERE,
        r"<\s*/?\s*(?:important|system|instructions?|secret|hidden|admin|critical|assistant|"
        r"developer|override|urgent|note_to_(?:ai|llm|model))\s*>|\[\s*/?\s*(?:INST|SYSTEM)\s*\]|"
        r"<\|(?:im_start|im_end|system|assistant|user|endoftext)\|>|<<\s*SYS\s*>>",
    ),
    _pattern(
        "tells the model to do something else first or as well",
        Severity.SEVERE,
        r"\b(?:before|after|when(?:ever)?|prior\s+to|in\s+order\s+to|each\s+time|every\s+time)\b"
        + _GAP
        + r"\b(?:using|use|calling|call|invoking|invoke|running|run|executing)\b"
        + _GAP
        + r"\b(?:this|the|any|other|another)\b"
        + _GAP
        + r"\b(?:tools?|functions?)\b"
        + _GAP
        + r"\b(?:you\s+(?:must|should|need|have\s+to)|always|first|must|read|send|call|pass|"
        r"include|copy|fetch|execute)\b",
    ),
    _pattern(
        KEPT_PLACES,
        Severity.SEVERE,
        r"(?:~|\$HOME|/root|/home/[\w.-]{1,40})/\.(?:ssh|aws|gnupg|kube|docker|netrc|npmrc|pypirc|"
        r"config|cursor|env|bash_history|git-credentials)\b|\bid_(?:rsa|ed25519|ecdsa)\b|"
        r"/etc/(?:passwd|shadow)\b|\bmcp\.json\b|/proc/(?:self|\d+)/environ|169\.254\.169\.254",
    ),
    _pattern(
        "asks for secrets or for the conversation",
        Severity.SEVERE,
        r"\b(?:send|include|pass|append|attach|forward|upload|post|exfiltrate|copy|provide|put|"
        r"leak)\b" + _GAP + r"\b(?:(?:entire|full|whole|complete|previous|raw)\s+(?:conversation|"
        r"chat|history|context|prompt|messages?)|system\s+prompt|conversation\s+history|"
        r"private\s+keys?|ssh\s+keys?|credentials|environment\s+variables|passwords?|"
        r"(?:api|access|secret)[\s_-]?(?:keys?|tokens?))\b",
    ),
    _pattern(
        "claims to be above other instructions",
        Severity.SEVERE,
        r"\b(?:this|these|the\s+following)\b" + _GAP + r"\b(?:overrides?|supersedes?|takes?\s+"
        r"precedence|has\s+priority|have\s+priority)\b|\byou\s+are\s+now\b"
        + _GAP
        + r"\b(?:in|an?|the)\b|\b(?:new|updated|real|actual)\s+(?:system\s+)?(?:instructions?|"
        r"prompt)\s*:",
    ),
    _pattern(
        "speaks to the model",
        Severity.WARNING,
        r"\b(?:as\s+an?|dear|note\s+to(?:\s+the)?|attention)\s*,?\s*(?:ai|llm|language\s+model|"
        r"assistant|agent|model)\b|\byou\s+(?:must|are\s+required\s+to|have\s+to)\s+(?:always|"
        r"never|first|also)\b|\byour\s+(?:system\s+)?(?:instructions|system\s+prompt)\b",
    ),
    _pattern(
        "hides text in markup",
        Severity.WARNING,
        r"<!--.{1,400}?-->|\bdisplay\s*:\s*none\b|\bfont-size\s*:\s*0\b|"
        r"!\[[^\]]{0,100}\]\(https?://[^)\s]{1,300}[?&][^)\s]{0,300}\)",
    ),
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """A passage that gives a model orders."""

    message: str
    severity: Severity
    start: int
    end: int


def instructions_in(text: str) -> list[Instruction]:
    """The passages of `text` that give a model orders; at most one of each kind."""
    found = []
    for pattern in _PATTERNS:
        for start in range(0, max(len(text), 1), _WINDOW - _OVERLAP):
            # Piece by piece: other threads run in between, however slow a text makes the matching.
            match = pattern.expression.search(text, start, start + _WINDOW)
            if match is not None:
                found.append(
                    Instruction(pattern.message, pattern.severity, match.start(), match.end())
                )
                break
    return found
