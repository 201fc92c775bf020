"""The main job on real files, without any key: what `make demo` runs.

Each task goes through the command line as a user would type it: the offline stand-in plans it, the
steps run in parallel, the answer is printed.
"""

import subprocess
import sys
from pathlib import Path

WORKSPACE = Path(__file__).parent / "workspace"
TASKS = (
    "Which is longer, README.md or CHANGELOG.md? And what is 12 * 0.75?",
    "For every *.md under docs count the words, and find TODO in the markdown files",
    "Total metres by region in orders.csv, and summarise README.md in 2 sentences",
)


def main() -> int:
    """Run every task; the exit code is the first that is not 0."""
    failed = 0
    for task in TASKS:
        command = ["treadle", "run", task, "--model", "offline"]
        print(f"\n$ {command[0]} {command[1]} {task!r} {command[3]} {command[4]}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", *command, "--workspace", str(WORKSPACE)], check=False
        )
        failed = failed or done.returncode
    if not failed:
        print("\nEverything above ran on the files in examples/workspace. Next: treadle chat")
    return failed


if __name__ == "__main__":
    sys.exit(main())
