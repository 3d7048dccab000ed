"""`python -m local demo [--instances N] [--containers] [--port N] [--state DIR] [--check]`."""

import argparse
import sys
from pathlib import Path

from local import STATE
from local.demo import CheckFailed, run
from local.emulator import PREFERRED_PORT
from local.processes import ProcessFailed
from local.stopping import Stopped

_MOST_INSTANCES = 20
_INTERRUPTED = 130


def main() -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="deploy the application on this machine and run it")
    demo.add_argument("--instances", type=int, default=2, choices=range(1, _MOST_INSTANCES + 1))
    demo.add_argument("--containers", action="store_true", help="instances as containers")
    demo.add_argument("--check", action="store_true", help="count through every tier, then stop")
    demo.add_argument("--port", type=int, default=PREFERRED_PORT, help="of the emulator, if free")
    demo.add_argument("--state", type=Path, default=STATE, help="folder of logs and records")
    arguments = parser.parse_args()
    try:
        run(
            instances=arguments.instances,
            containers=arguments.containers,
            check=arguments.check,
            preferred_port=arguments.port,
            state=arguments.state.resolve(),
        )
    except (ProcessFailed, CheckFailed) as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except Stopped as stopped:
        sys.stderr.write(f"\nStopped by {stopped}; nothing was left running.\n")
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
