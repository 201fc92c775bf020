"""A kernel for bash: one shell that evaluates text after text."""

from __future__ import annotations

import os
from typing import Any

from treadle.tools.sandbox.guest.kernel_wire import REPORTS, TEXTS

BASH = "/bin/bash"

# The shell's own two pipes are closed while a text runs: what it starts does not get them.
# SIGUSR1 makes the innermost function return (a trap on SIGINT does not end a loop); the supervisor
# sends it until all have.
_LOOP = f"""\
__treadle_call() {{ eval "$__treadle_text"; }}
trap 'return 130 2>/dev/null' USR1
printf '3\\n0 n' >&{REPORTS}
while IFS= read -r -d '' __treadle_text <&{TEXTS}; do
  __treadle_call {TEXTS}<&- {REPORTS}>&-
  __treadle_text="$? n"
  printf '%s\\n%s' "${{#__treadle_text}}" "$__treadle_text" >&{REPORTS}
done
"""


def serve_bash(options: dict[str, Any]) -> None:
    """Become the shell."""
    for descriptor in (TEXTS, REPORTS):
        os.set_inheritable(descriptor, True)
    os.execve(BASH, ["bash", "--norc", "--noprofile", "-c", _LOOP, "bash"], dict(os.environ))  # noqa: S606
