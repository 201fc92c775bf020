"""What `import treadle` adds to a bare interpreter: medians of interleaved runs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 15
SNIPPETS = {
    "bare interpreter": "pass",
    "import treadle": "import treadle",
    "from treadle import tool": "from treadle import tool",
    "from treadle import Runtime": "from treadle import Runtime",
}


def main() -> None:
    """Print one table: milliseconds per process, and the difference to the bare interpreter."""
    seconds: dict[str, list[float]] = {name: [] for name in SNIPPETS}
    for _ in range(RUNS):
        for name, code in SNIPPETS.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            seconds[name].append(time.perf_counter() - started)
    bare = statistics.median(seconds["bare interpreter"])
    print(f"{'process':32}{'median ms':>12}{'added ms':>12}   ({RUNS} interleaved runs)")
    for name, samples in seconds.items():
        median = statistics.median(samples)
        print(f"{name:32}{median * 1000:12.0f}{(median - bare) * 1000:12.0f}")


if __name__ == "__main__":
    main()
