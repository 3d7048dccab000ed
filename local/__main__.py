"""`python -m local demo [--check]` and `python -m local demo-scale`."""

import argparse
import sys
from pathlib import Path

from local import STATE
from local.demo import CheckFailed, run
from local.emulator import PREFERRED_PORT
from local.growth import NotScaled
from local.growth import run as run_under_load
from local.processes import ProcessFailed
from local.stopping import Stopped

_MOST = 20
_INTERRUPTED = 130


def main() -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="deploy the application on this machine and run it")
    demo.add_argument("--check", action="store_true", help="count through every tier, then stop")
    demo.add_argument("--port", type=int, default=PREFERRED_PORT, help="of the emulator, if free")
    growth = commands.add_parser(
        "demo-scale", help="the same under load: the group grows and shrinks, and nothing is lost"
    )
    for command in (demo, growth):
        command.add_argument("--instances", type=int, default=2, choices=range(1, _MOST + 1))
        command.add_argument("--containers", action="store_true", help="instances as containers")
        command.add_argument("--state", type=Path, default=STATE, help="of logs and records")
    arguments = parser.parse_args()
    given = {
        "instances": arguments.instances,
        "containers": arguments.containers,
        "state": arguments.state.resolve(),
    }
    try:
        if arguments.command == "demo":
            run(check=arguments.check, preferred_port=arguments.port, **given)
        else:
            run_under_load(**given)
    except (ProcessFailed, CheckFailed, NotScaled) as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    except Stopped as stopped:
        sys.stderr.write(f"\nStopped by {stopped}; nothing was left running.\n")
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
