"""Code mode: one snippet of Python, written by a model, that calls tools.

The snippet runs in an interpreter that can reach nothing but the functions it was given; each of
those calls goes where the host sends it.
"""

from treadle.tools.codemode.code_mode import CodeMode
from treadle.tools.codemode.limits import CodeModeLimits
from treadle.tools.codemode.outcome import SnippetOutcome
from treadle.tools.codemode.snippet import CallTool
from treadle.tools.codemode.stubs import Stubs, stubs_of

__all__ = ["CallTool", "CodeMode", "CodeModeLimits", "SnippetOutcome", "Stubs", "stubs_of"]
