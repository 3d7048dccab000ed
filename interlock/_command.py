"""Start of the command `interlock`, also where the packages that it needs are missing."""

import sys


def main() -> None:
    """Run the command; without its packages, say what to install and exit with 1."""
    try:
        from interlock.cli import main as command  # noqa: PLC0415 - it may be what is missing
    except ImportError as missing:
        sys.exit(f"interlock: {missing}")
    command()
