"""A kernel for Python: cells of a notebook, variables survive from one to the next."""

from __future__ import annotations

import os
import signal
import sys
import types
from typing import Any

from treadle.tools.sandbox.guest.cell import NOTHING, add_site_names, run_cell
from treadle.tools.sandbox.guest.kernel_wire import Texts, report


def serve_python(options: dict[str, Any]) -> None:
    """Run texts until there are no more."""
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    sys.argv = ["<code>"]
    sys.path.insert(0, os.getcwd())
    own = os.getpid()
    add_site_names()
    texts = Texts()
    number = 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    report(0, NOTHING)
    while True:
        text = texts.next()
        number += 1
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            outcome = run_cell(text, main.__dict__, options["max_value"], f"<code {number}>")
            code, what, ended = outcome.code, outcome.report, outcome.ended
        except KeyboardInterrupt:
            # It came between the end of the cell and here: the cell has run.
            code, what, ended = 0, NOTHING, False
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                # The cell has closed it, or put something else in its place.
                continue
        if os.getpid() != own:
            # A fork that the cell has made must not answer in this kernel's place.
            os._exit(code)
        if ended:
            os._exit(code)
        report(code, what)
