"""`make mutate ONLY=interlock/_protocol/retry.py`: make mistakes, and name what no test finds.

Without ONLY it judges the modules of judged.txt, of which every survivor is killed or explained,
and says which are not among them yet.

A harness of our own over `ast`, small enough to be read. mutmut 3.8 was tried on this tree, and
works: 1.2 s a mistake, by trampolines that know generators. But it leaves constants, properties and
the conditions that DynamoDB is sent as they are, which is where a protocol's promises stand; it
puts None for every argument, which any test finds; it numbers its mistakes, so that an
explanation is lost with the next edit; and its trampolines are in the way of the simulator's own
known mistakes. cosmic-ray starts a command for each, and so imports and collects anew. Here a
mistake is named by its function and the lines that differ, and the tests are collected once.

What was judged is kept in .local/mutation: a run that is ended goes on where it was. Mistakes that
were found are judged again when the module changes, survivors when any test does.
"""

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.mutation import judging, reach
from tests.mutation.explained import Explained, explanations
from tests.mutation.mutants import mutants
from tests.mutation.splicing import Mutant

ROOT = reach.ROOT
STORE = ROOT / ".local" / "mutation"
JUDGED = Path(__file__).with_name("judged.txt")
Verdicts = dict[str, judging.Verdict]


def main() -> int:
    """Judge the mistakes of the modules; return 1 if a survivor is not explained."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("modules", nargs="*", help="paths; default: those of judged.txt")
    parser.add_argument(
        "--budget", type=float, default=float("inf"), help="seconds to begin within"
    )
    parser.add_argument("--each", type=float, default=10.0, help="seconds of tests for a mistake")
    parser.add_argument(
        "--tests", nargs="+", help="files: quicker, and what these do not find is not judged"
    )
    parser.add_argument(
        "--quick", action="store_true", help="only the first tests: what these miss is not judged"
    )
    options = parser.parse_args()
    until = time.monotonic() + options.budget
    findings = []
    for module in options.modules or judged():
        findings += list(_module(module, until, options))
    print("\n".join(["", *findings] if findings else ["", "every survivor is explained"]))
    if not options.modules:
        print("\n".join(["", "not judged yet:", *not_judged()]))
    return 1 if findings else 0


def judged() -> list[str]:
    """Return the paths of the modules that were judged wholly, with nothing left to do."""
    return JUDGED.read_text(encoding="utf-8").split()


def not_judged() -> list[str]:
    """Return the paths of the modules that were not."""
    paths = (path for home in reach.HOMES for path in (ROOT / home).rglob("*.py"))
    every = {path.relative_to(ROOT).as_posix() for path in paths}
    return sorted(each for each in every - set(judged()) if not each.endswith("__init__.py"))


def _module(module: str, until: float, options: argparse.Namespace) -> Iterator[str]:
    """Judge the mistakes of a module; yield what is left to do about it, as text."""
    every = mutants((ROOT / module).read_text(encoding="utf-8"))
    if not every:
        return
    kept = STORE / f"{module.replace('/', '.')}.json"
    verdicts = _kept(kept, module, options.each)
    open_ones = [mistake for mistake in every if _key(mistake) not in verdicts]
    if open_ones and time.monotonic() < until:
        judgement = _Judgement(module, verdicts, kept, until, options.each)
        _judge(module, open_ones, judgement, options)
    yield from report(module, every, verdicts, explanations())


class _Judgement:
    """The mistakes of a module that are judged now, and what is kept of that."""

    def __init__(self, module: str, verdicts: Verdicts, kept: Path, until: float, each: float):
        self._module, self._verdicts, self._kept = module, verdicts, kept
        self._until, self._each = until, each
        self._state = {**_state(module), "each": each}  # as the tests are when they are collected
        kept.parent.mkdir(parents=True, exist_ok=True)
        self._passed: set[str] = set()
        self._left: list[Mutant] = []
        self._done = self._all = 0
        self._final = self._keeps = False

    @property
    def in_time(self) -> bool:
        """Whether another mistake may begin to be judged."""
        return time.monotonic() < self._until

    def by(
        self, mistakes: list[Mutant], reached: reach.Reached, *, final: bool, keeps: bool
    ) -> list[Mutant]:
        """Judge mistakes by some tests; return those that are not found.

        `final`: no other tests come; `keeps`: what these do not find survives.
        """
        self._left, self._done, self._all = [], 0, len(mistakes)
        self._final, self._keeps = final, keeps
        failed = judging.judge(self._module, mistakes, reached, self._judged, self._each)
        for test in failed:
            _say(f"  fails without any mistake, so that it judges none: {test}")
        return self._left

    def without(self, explained: list[Explained]) -> list[Mutant]:
        """Count explained mistakes that are left as survivors; return the rest of what is left."""
        for mistake in list(self._left):
            if any(each.matches(self._module, mistake) for each in explained):
                self._left.remove(mistake)
                self._verdicts[_key(mistake)] = ("survived", "")
        self._keep()
        return self._left

    def _keep(self) -> None:
        self._kept.write_text(json.dumps({**self._state, "verdicts": self._verdicts}))

    def _judged(self, mistake: Mutant, verdict: judging.Verdict) -> bool:
        self._done += 1
        key = _key(mistake)
        if verdict[0] == "survived":
            self._passed.add(key)
        elif verdict[0] == "unreached" and key in self._passed:
            verdict = ("survived", "")  # of the tests before
        found = verdict[0] in {"killed", "unfit"}
        if found or self._keeps:
            self._verdicts[key] = verdict
        if not found:
            self._left.append(mistake)
        if verdict[0] != "killed" and (found or self._final):
            _say(f"  {verdict[0]}: {_shown(self._module, mistake)}")
        self._keep()
        if self._done % 25 == 0:
            _say(f"  {self._done} of {self._all}")
        return self.in_time


def _judge(
    module: str, open_ones: list[Mutant], judgement: _Judgement, options: argparse.Namespace
) -> None:
    """Judge mistakes by the quickest tests, and what these do not find by slower ones.

    A mistake that is explained is shown to the quickest alone.
    """
    _say(f"{module}: {len(open_ones)} mistakes to make")
    may_survive = [each for each in explanations() if each.module == module]
    look = options.tests is not None
    stages = reach.stages(module, options.tests)[: 1 if options.quick else None]
    for stage in stages:
        reached = reach.reached(module, stage, _say, look=look)
        final = stage is stages[-1]
        keeps = final and not look and not options.quick
        open_ones = judgement.by(open_ones, reached, final=final, keeps=keeps)
        if not look:
            open_ones = judgement.without(may_survive)
        if final or not open_ones or not judgement.in_time:
            break
        _say(f"  {len(open_ones)} are left to slower tests")


def report(
    module: str, every: list[Mutant], verdicts: Verdicts, explained: list[Explained]
) -> Iterator[str]:
    """Yield what is left to do about a module; say how its mistakes were judged."""
    told = [verdicts.get(_key(each), ("not judged yet", "")) for each in every]
    counts = Counter(verdict for verdict, _ in told)
    _say(f"{module}: " + ", ".join(f"{count} {name}" for name, count in counts.most_common()))
    for mistake, (verdict, by) in zip(every, told, strict=True):
        reasons = [each for each in explained if each.matches(module, mistake)]
        if verdict in {"survived", "unreached"} and not reasons:
            yield f"{_shown(module, mistake)}\n    {verdict}: write a test, or explain it"
        if verdict == "killed" and reasons:
            yield f"{_shown(module, mistake)}\n    is explained, and found by {by}: leave it out"
    names = {each.name for each in every}
    for each in explained:
        if each.module == module and (each.function, each.was, each.becomes) not in names:
            lines = f"  - {each.was}\n  + {each.becomes}"
            yield f"{module} {each.function}\n{lines}\n    is explained, and no longer made"
    if counts["not judged yet"]:
        yield f"{module}: {counts['not judged yet']} mistakes are left; run it again to go on"


def _shown(module: str, mistake: Mutant) -> str:
    place = f"{module}:{mistake.line} {mistake.function}"
    return f"{place}\n  - {mistake.was}\n  + {mistake.becomes}"


def _key(mistake: Mutant) -> str:
    return "\n".join(mistake.name)


def _state(module: str) -> dict[str, Any]:
    tests = "".join(reach.digest(path) for path in reach.files(module))
    return {
        "module": reach.digest(ROOT / module),
        "tests": hashlib.sha256(tests.encode()).hexdigest()[:16],
    }


def _kept(path: Path, module: str, each: float) -> Verdicts:
    """Return the verdicts that still count."""
    if not path.exists():
        return {}
    said, now = json.loads(path.read_text()), _state(module)
    if said["module"] != now["module"]:
        return {}
    return {
        key: (verdict, by)
        for key, (verdict, by) in said["verdicts"].items()
        if verdict in {"killed", "unfit"}
        or (said["tests"] == now["tests"] and each <= said["each"])
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
