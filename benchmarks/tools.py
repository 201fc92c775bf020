"""The figures of tools and their sandbox, one table after the other.

    python benchmarks/tools.py [--queries tool_queries.json.gz]

Each table is a script of its own, started by itself: what one leaves behind does not slow the next.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
MINUTES = 15
"""That one table may take."""


def main() -> int:
    """Print all tables; 1 where one could not be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--queries", type=Path, help="StableToolBench's; generated without")
    queries = parser.parse_args().queries
    given = [] if queries is None else ["--queries", str(queries)]
    tables = {
        "Sandbox: latency and throughput": [str(HERE / "sandbox.py")],
        "Sandbox: attacks": ["-m", "treadle", "sandbox", "selftest"],
        "Tool calls: overhead": [str(HERE / "tool_calls.py")],
        "Tool retrieval": [str(HERE / "tool_retrieval.py"), *given],
    }
    failed = [title for title, command in tables.items() if not _printed(title, command)]
    for title in failed:
        print(f"failed: {title}", file=sys.stderr)
    return 1 if failed else 0


def _printed(title: str, command: list[str]) -> bool:
    print(f"\n== {title}", flush=True)
    try:
        done = subprocess.run([sys.executable, *command], timeout=MINUTES * 60, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
