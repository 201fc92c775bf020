"""The command line."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; see `treadle --help`."""
    try:
        from treadle.cli.app import main as run

        run()
    except KeyboardInterrupt:
        # Pressed so early that not even the commands were there.
        sys.exit(130)
