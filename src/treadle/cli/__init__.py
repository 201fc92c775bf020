"""The command line."""

__all__ = ["main"]


def main() -> None:
    """Run the command line; see `treadle --help`."""
    from treadle.cli.app import main as run

    run()
