"""This process's Python, run by an ordinary user."""

import subprocess
import sys
from pathlib import Path

from tests.tools.sandbox.machine import lacking, need_root

from treadle.tools.sandbox.levels.interpreter import Interpreter

# The Python may lie below a folder that only root can enter: the process gets a view of its own.
ENTER = """\
set -e
prefix=$1; range=$2; home=$3; shift 3
hidden=$(mktemp -d)
mount --bind "$prefix" "$hidden"
top=/$(echo "$prefix" | cut -d/ -f2)
case $top in
  /usr) ;;
  *) mount -t tmpfs -o mode=755 none "$top"; mkdir -p "$prefix"; mount --bind "$hidden" "$prefix" ;;
esac
if [ -n "$range" ]; then
  written=$(mktemp); echo "nobody:$range" > "$written"; chmod 644 "$written"
  mount --bind "$written" /etc/subuid
  mount --bind "$written" /etc/subgid
  rm "$written"
fi
exec setpriv --reuid 65534 --regid 65534 --clear-groups env -i HOME="$home" XDG_STATE_HOME="$home" PATH=/usr/bin:/bin "$@"
"""


def as_user(
    *arguments: str, subordinate: str = "", home: str = "/tmp"
) -> subprocess.CompletedProcess[str]:
    """Run this Python as `nobody`, with a range of subordinate ids (FIRST:COUNT) of its own.

    The range stands in files that only this process sees.
    """
    need_root()
    prefix = Interpreter.current().prefix
    here = Path(__file__).resolve()
    tops = {str(each).split("/")[1] for each in (here, Path(sys.executable).absolute())}
    if str(prefix).split("/")[1] in tops - {"usr"}:
        lacking("this Python and this checkout lie below the same top folder")
    command = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        ENTER,
        "sh",
        str(prefix),
        subordinate,
        home,
        sys.executable,
        *arguments,
    ]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=150, check=False, cwd="/"
    )
