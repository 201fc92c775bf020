"""Keys that are pressed while a picture is drawn."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext

from treadle.cli.interrupts import silent_keys


def unseen_keys() -> AbstractContextManager[None]:
    """Within the block, keys are not echoed into the picture; Ctrl-C works as ever."""
    return silent_keys() if _has_the_keyboard() else nullcontext()


def _has_the_keyboard() -> bool:
    """Whether what is typed reaches this process. One in the background would be stopped by the
    system when it changes how the terminal treats keys."""
    if sys.platform == "win32":
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False
