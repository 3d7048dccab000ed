"""Judge the mistakes of one module: collect the tests once, then fork a child for each mistake.

A child has the mistake put into the module that is imported already, and runs the tests that reach
its lines, the one that has found most so far first, until one fails. What a child may use is
counted by its processor time, so that a busy machine finds no mistake by itself.
"""

import importlib
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from tests.mutation.applying import apply
from tests.mutation.reach import MARKS, ROOT, Reached, is_a_judge
from tests.mutation.splicing import Mutant

_FOUND, _SURVIVED, _UNFIT = 10, 11, 12
_MEMORY = 4 << 30
_LEAST_TIME = 5  # seconds of a processor that a child may use, whatever its tests took before
_NONE = Mutant(0, "", "", "", "", frozenset(), frozenset())

Verdict = tuple[str, str]  # "killed", "survived", "unreached" or "unfit"; the test that killed
Judged = Callable[[Mutant, Verdict], bool]  # whether to go on


class Judge:
    """A plugin of pytest that runs the collected tests of each mistake instead of all."""

    def __init__(
        self,
        module: str,
        mistakes: Iterable[Mutant],
        reached: Reached,
        judged: Judged,
        seconds: float,
    ) -> None:
        self._module = importlib.import_module(module.removesuffix(".py").replace("/", "."))
        self._mistakes, self._reached, self._judged = mistakes, reached, judged
        self._seconds = seconds
        self._found: Counter[str] = Counter()
        self.failed_without: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Let examples be the same for each mistake, and none be made smaller."""
        from hypothesis import Phase, settings  # noqa: PLC0415 - pytest wants to rewrite it first

        phases = [Phase.explicit, Phase.generate]
        settings.register_profile(
            "mutation", settings.default, database=None, derandomize=True, phases=phases
        )
        settings.load_profile("mutation")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the tests that reach the module; of some it is known by their file alone."""
        for item in items:
            known = self._reached.get(item.nodeid.partition("::")[0])
            if known is not None and is_a_judge(item.nodeid):
                self._reached[item.nodeid] = known
        items[:] = [item for item in items if item.nodeid in self._reached]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge one mistake after the other."""
        items = {item.nodeid: item for item in session.items}
        for mistake in self._mistakes:
            tests = [items[test] for test in self._order(mistake) if test in items]
            verdict = self._verdict(mistake, tests) if tests else ("unreached", "")
            while verdict[1] in items and not self._passes_without(items[verdict[1]]):
                tests.remove(items.pop(verdict[1]))
                verdict = self._verdict(mistake, tests)
            if verdict[1]:
                self._found[verdict[1]] += 1
            if not self._judged(mistake, verdict):
                break
        return True

    def _passes_without(self, test: pytest.Item) -> bool:
        """Whether a test that has found a mistake finds none where there is none; asked once."""
        if not self._found[test.nodeid]:
            verdict, _ = self._verdict(_NONE, [test])
            if verdict != "survived":
                self.failed_without.append(test.nodeid)
                return False
        return True

    def _order(self, mistake: Mutant) -> list[str]:
        """Return the tests that reach a mistake's function: first those that reach its lines.

        Of these the most successful first, then the quickest. Its lines alone are no measure:
        Python traces no generator into which an error is thrown through another.
        """
        reaching = {
            test: not mistake.lines & said["lines"]
            for test, said in self._reached.items()
            if not mistake.around or mistake.around & said["lines"]
        }
        chosen: list[str] = []
        spent = 0.0
        for test in sorted(
            reaching,
            key=lambda each: (
                reaching[each],
                -self._found[each],
                self._reached[each]["seconds"],
                each,
            ),
        ):
            spent += self._reached[test]["seconds"]
            if chosen and spent > self._seconds:
                break
            chosen.append(test)
        return chosen

    def _verdict(self, mistake: Mutant, tests: list[pytest.Item]) -> Verdict:
        expected = sum(self._reached[test.nodeid]["seconds"] for test in tests)
        receiving, telling = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(receiving)
            os.setpgid(0, 0)
            self._be_judged(mistake, tests, expected, telling)
        os.close(telling)
        status = _wait(child, 120 + 20 * expected)
        with os.fdopen(receiving) as told:
            test = told.read()
        code = os.waitstatus_to_exitcode(status)
        if code == _SURVIVED:
            return "survived", ""
        if code == _UNFIT:
            return "unfit", ""
        return "killed", test or "time"

    def _be_judged(
        self, mistake: Mutant, tests: list[pytest.Item], expected: float, telling: int
    ) -> None:
        """Run the tests in the child, and end it."""
        code = _FOUND
        try:
            seconds = int(_LEAST_TIME + 5 * expected)
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            changes = not mistake.text or apply(self._module, mistake.text)
            code = _SURVIVED if changes else _UNFIT
            for test, following in zip(tests, [*tests[1:], None], strict=True):
                if code != _SURVIVED:
                    break
                if _fails(test, following):
                    os.write(telling, test.nodeid.encode())
                    code = _FOUND
        except ValueError as unfit:
            code = _UNFIT if "free vars" in str(unfit) else _FOUND
        except BaseException:  # noqa: BLE001 - the module cannot even be imported
            code = _FOUND
        finally:
            os._exit(code)


def _fails(test: pytest.Item, following: pytest.Item | None) -> bool:
    from _pytest.runner import runtestprotocol  # noqa: PLC0415 - pytest's own, and not public

    reports = runtestprotocol(test, nextitem=following, log=False)
    return any(report.failed for report in reports)


def _wait(child: int, seconds: float) -> int:
    """Wait for a child to end, and end it when it has waited for something for too long."""
    until = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]
        time.sleep(0.005)


def judge(
    module: str, mistakes: Iterable[Mutant], reached: Reached, judged: Judged, seconds: float = 30.0
) -> list[str]:
    """Judge mistakes of a module; return the tests that fail without any, and judge nothing.

    `seconds` of tests, by their own measure, are given to a mistake at most.
    """
    sys.path.insert(0, str(ROOT))
    files = sorted({test.partition("::")[0] for test in reached})
    paths = [str(ROOT / file) for file in files]
    # By their paths from here the tests are known, whatever lies in a folder above.
    options = ["-q", "-p", "no:cacheprovider", "-m", MARKS, f"--rootdir={ROOT}"]
    judges = Judge(module, mistakes, reached, judged, seconds)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        pytest.main([*options, *paths], plugins=[judges])
    return judges.failed_without
