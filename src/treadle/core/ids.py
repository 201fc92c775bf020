"""Identifiers."""

from __future__ import annotations

import re
import secrets
import time

STEP_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
"""What a step id looks like; no dots, so that `${step.path}` is never ambiguous."""

TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
"""What the name of a tool or an agent looks like."""


def new_run_id() -> str:
    """A fresh run id: sorts by time of creation, cannot be guessed."""
    return f"run_{int(time.time() * 1000):011x}{secrets.token_hex(5)}"


def new_item_id() -> str:
    """A fresh id of something remembered: sorts by time of creation, cannot be guessed."""
    return f"mem_{int(time.time() * 1000):011x}{secrets.token_hex(6)}"
