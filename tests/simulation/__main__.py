"""Search seeds for a failing interleaving: `python -m tests.simulation --seeds 100000`."""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.simulation.scenarios import SCENARIOS
from tests.simulation.world import Violation

_BLOCK = 200
_PROCESSES = 2


def run_block(scenario: str, first: int, count: int) -> tuple[int, str] | None:
    """Run seeds of a scenario; return the first that fails, and its report."""
    for seed in range(first, first + count):
        try:
            SCENARIOS[scenario](seed).run()
        except Violation as violation:
            return seed, str(violation)
    return None


def main(arguments: list[str] | None = None) -> int:
    """Search, report and return the exit status: 1 if a seed failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20_000, help="how many, over all scenarios")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="where to start")
    parser.add_argument("--only", choices=sorted(SCENARIOS), help="one scenario (default: all)")
    options = parser.parse_args(arguments)
    names = [options.only] if options.only else list(SCENARIOS)
    each = -(-options.seeds // len(names))
    blocks = [
        (name, options.first + start, min(_BLOCK, each - start))
        for start in range(0, each, _BLOCK)
        for name in names
    ]
    total, done, began = sum(count for _, _, count in blocks), 0, time.monotonic()
    with ProcessPoolExecutor(_PROCESSES) as pool:
        waiting = {pool.submit(run_block, *block): block for block in blocks}
        for future in as_completed(waiting):
            name, _, count = waiting[future]
            failure = future.result()
            if failure:
                pool.shutdown(wait=False, cancel_futures=True)
                seed, report = failure
                replay = f"python -m tests.simulation --only {name} --first {seed} --seeds 1"
                sys.stdout.write(f"\n{name}: {report}\n\nreplay: {replay}\n")
                return 1
            done += count
            rate = done / (time.monotonic() - began)
            sys.stdout.write(f"\r{done}/{total} seeds, {rate:.0f} a second")
            sys.stdout.flush()
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
