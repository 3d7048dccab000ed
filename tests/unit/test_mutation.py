"""The harness of `make mutate`, and the file that explains what it leaves."""

import json
import subprocess
import sys
from textwrap import dedent
from types import ModuleType

import pytest

from tests.mutation import reach
from tests.mutation.__main__ import judged, not_judged, report
from tests.mutation.applying import apply
from tests.mutation.explained import KINDS, Explained, explanations
from tests.mutation.mutants import mutants
from tests.mutation.reach import HOMES, ROOT, files, is_a_judge, reached, stages


def test_each_explanation_is_of_a_mistake_that_is_made_and_has_a_reason():
    made = {}
    for each in explanations():
        path = ROOT / each.module
        assert each.module.startswith(HOMES), each
        assert path.exists(), each
        if each.module not in made:
            made[each.module] = {one.name for one in mutants(path.read_text(encoding="utf-8"))}
        assert (each.function, each.was, each.becomes) in made[each.module], each
        assert each.kind in KINDS, each
        assert len(each.reason.split()) > 3, each


def test_each_mistake_is_explained_once():
    named = [(each.module, each.function, each.was, each.becomes) for each in explanations()]
    assert len(named) == len(set(named))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("return a < b", {"return a <= b"}),
        ("return a is not b", {"return a is b"}),
        ("return a not in b", {"return a in b"}),
        ("return a and b", {"return a", "return b"}),
        ("return not a", {"return (a)"}),
        ("return a + b", {"return a - b"}),
        ("return a // 2", {"return a * 2", "return a // 3"}),
        ("return True", {"return False"}),
        ("return 1.5", {"return 3.0"}),
        ("return min(a, b)", {"return max(a, b)"}),
        ("return f(a, b=b)", {"return f(a)"}),
        ('return {"A": a, "B": b}', {'return {"B": b}', 'return {"A": a}'}),
        ("return a if b else c", {"return a if not (b) else c"}),
        ('return "a = :a AND b"', {'return "a <> :a AND b"', 'return "a = :a OR b"'}),
        (
            'return f"attribute_exists({a})"',
            {'return f"attribute_not_exists({a})"'},
        ),
        ("yield from f(a)", {"pass"}),
        ("a.b = c", {"pass"}),
        ("raise f(a < 1)", {"pass"}),
        ('return "a text, with = and AND"', set()),
        ('return a % "b"', set()),
        ("b: int = c", set()),
        ("b: TypeAlias = int | str", set()),
        ("return zip(a, b, strict=True)", set()),
        ('return f(a, wanted="a name")', set()),
        ('_log.debug("%s", a + b)', set()),
        ("if TYPE_CHECKING: pass", set()),
        ("b: int = field(default=0, init=False)", set()),
    ],
)
def test_a_line_has_its_mistakes(right, wrong):
    source = f'def function(a, b, c):\n    """Return 1 < 2."""\n    {right}\n'
    found = mutants(source)
    assert {each.becomes for each in found} == wrong
    assert {(each.line, each.function, each.was) for each in found} <= {(3, "function", right)}
    assert all(each.lines == {3} for each in found)
    assert all(each.text != source for each in found)


def test_a_function_that_is_awaited_is_one():
    source = (
        'class Class:\n    async def method(self, a):\n        """Tell."""\n        return a < b\n'
    )
    (found,) = mutants(source)
    assert (found.function, found.becomes) == ("Class.method", "return a <= b")
    assert found.lines == {4}


def test_a_mistake_keeps_its_name_when_lines_move():
    source = "def function(a):\n    return a < 1\n"
    (name,) = {each.name for each in mutants(source) if "<=" in each.becomes}
    assert name in {each.name for each in mutants(f"import a\n\n\n{source}")}


def test_a_line_that_is_there_twice_has_a_mistake_each_time():
    source = "def function(a, f):\n    f(a)\n    a = 2\n    f(a)\n"
    found = [(each.line, each.becomes) for each in mutants(source) if each.was == "f(a)"]
    assert found == [(2, "pass"), (4, "pass  # 2")]


def test_what_a_module_runs_as_it_is_imported_is_reached_by_all_its_tests():
    (mistake, *_) = mutants("LIMIT = 3\n")
    assert (mistake.function, mistake.lines) == ("", frozenset())


def module(name, source):
    made = ModuleType(name)
    made.__file__ = f"{name}.py"
    exec(source, made.__dict__)  # noqa: S102 - ours
    return made


def test_a_mistake_is_put_into_functions_properties_defaults_and_constants(monkeypatch):
    right = dedent(
        """
        from interlock._dataclasses import dataclass
        from interlock._exports import public_in

        LIMIT = 3

        @public_in("interlock")
        @dataclass(slots=True)
        class Record:
            size: int = 7

        def function(a, b=1):
            return a < LIMIT

        class Class:
            most = 5

            @property
            def least(self):
                return 1
        """
    )
    wrong = (
        right.replace("3", "4")
        .replace("b=1", "b=2")
        .replace("5", "6")
        .replace("7", "8")
        .replace("return 1", "return 2")
    )
    monkeypatch.setitem(sys.modules, "interlock.made", made := module("interlock.made", right))
    function, instance = made.function, made.Class()
    assert apply(made, right) == 0
    assert apply(made, wrong)
    assert (function(3), function.__defaults__) == (True, (2,))
    assert (instance.most, instance.least) == (6, 2)
    assert made.Record().size == 8


def test_a_constant_is_replaced_where_it_was_imported_and_in_what_was_made_of_it(
    monkeypatch, tmp_path
):
    sources = {
        "interlock.made": "LIMIT = 300",
        "interlock.user": "from interlock.made import LIMIT\nLIMITS = [LIMIT]",
        "interlock.last": "from interlock.user import LIMITS\ndef most(): return max(LIMITS)",
        "interlock.other": "LIMIT = 300",
    }
    modules = []
    for name, source in sources.items():
        modules.append(made := module(name, source))
        made.__file__ = str(tmp_path / name)
        (tmp_path / name).write_text(source)
        monkeypatch.setitem(sys.modules, name, made)
    same = modules[3].LIMIT = modules[0].LIMIT  # as small numbers are one object
    assert apply(modules[0], "LIMIT = 400") == 1
    assert modules[1].LIMIT == 400
    assert modules[2].most() == 400
    assert modules[3].LIMIT is same


def test_a_mistake_is_put_into_what_users_find_elsewhere():
    right = dedent(
        """
        from interlock._exports import public_in

        @public_in("interlock.elsewhere")
        def function():
            return 1

        @public_in("interlock.elsewhere")
        class Class:
            def method(self):
                return 1
        """
    )
    made = module("interlock.made", right)
    function, instance = made.function, made.Class()
    assert apply(made, right.replace("return 1", "return 2"))
    assert (function(), instance.method()) == (2, 2)


def test_a_module_has_its_mistakes_judged_and_told(tmp_path):
    (tmp_path / "sample.py").write_text(
        dedent(
            """
            def reached(a):
                return a < 3

            def half_reached(a):
                return a < 3

            def unreached(a):
                return a < 3
            """
        )
    )
    (tmp_path / "test_sample.py").write_text(
        dedent(
            """
            from sample import half_reached, reached

            def test_of_it():
                assert reached(2)
                assert not reached(3)
                assert half_reached(1)

            def test_that_fails_by_itself():
                assert not reached(1)
            """
        )
    )
    program = dedent(
        f"""
        import json, sys
        from pathlib import Path
        from tests.mutation import judging, mutants
        root = judging.ROOT = Path({str(tmp_path)!r})
        sys.path.insert(0, str(root))
        test = {{"seconds": 0.1, "lines": {{3, 6}}}}
        names = ("test_of_it", "test_that_fails_by_itself")
        reached = {{"test_sample.py::" + name: test for name in names}}
        told = []
        def judged(mistake, verdict):
            told.append((mistake.function, mistake.becomes, *verdict))
            return True
        made = mutants.mutants((root / "sample.py").read_text())
        failed = judging.judge("sample.py", made, reached, judged)
        print(json.dumps([told, failed]))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    told, failed = json.loads(done.stdout)
    assert {tuple(each) for each in told} == {
        ("reached", "return a <= 3", "killed", "test_sample.py::test_of_it"),
        ("reached", "return a < 4", "killed", "test_sample.py::test_of_it"),
        ("half_reached", "return a <= 3", "survived", ""),
        ("half_reached", "return a < 4", "survived", ""),
        ("unreached", "return a <= 3", "unreached", ""),
        ("unreached", "return a < 4", "unreached", ""),
    }
    assert failed == ["test_sample.py::test_that_fails_by_itself"]


SAMPLE = mutants("def function(a):\n    return a < 3\n")


def explained(mistake, **changes):
    function, was, becomes = mistake.name
    said = {"module": "m.py", "function": function, "was": was, "becomes": becomes}
    return Explained(**{**said, "kind": "equivalent", "reason": "for a test", **changes})


def left(verdict, *explanations):
    verdicts = {"\n".join(each.name): verdict for each in SAMPLE}
    return list(report("m.py", SAMPLE, verdicts, list(explanations)))


def test_a_survivor_is_left_to_do_unless_it_is_explained():
    told = left(("survived", ""), explained(SAMPLE[0]))
    assert len(told) == 1
    assert told[0].startswith(f"m.py:2 function\n  - return a < 3\n  + {SAMPLE[1].becomes}\n")


def test_a_mistake_that_no_test_reaches_is_left_to_do():
    assert len(left(("unreached", ""))) == len(SAMPLE)


def test_an_explanation_of_what_is_found_is_left_to_take_out():
    (told,) = left(("killed", "test_it"), explained(SAMPLE[0]))
    assert "is explained, and found by test_it" in told


def test_an_explanation_of_a_line_that_has_changed_is_left_to_take_out():
    (told,) = left(("killed", "test_it"), explained(SAMPLE[0], was="return a < 2"))
    assert "is explained, and no longer made" in told


def test_mistakes_that_are_not_judged_yet_are_told():
    (told,) = report("m.py", SAMPLE, {}, [])
    assert "2 mistakes are left" in told


def test_modules_that_are_judged_are_listed_once_and_there():
    listed = judged()
    assert listed == sorted(set(listed))
    for module in listed:
        assert module.startswith(HOMES), module
        assert (ROOT / module).exists(), module


def test_modules_that_are_not_judged_are_told():
    assert not set(judged()) & set(not_judged())
    every = {*judged(), *not_judged()}
    assert {"interlock/_wire/http1.py", "interlock/_drivers/blocking/heartbeat.py"} <= every
    for home in HOMES:
        paths = {path.relative_to(ROOT).as_posix() for path in (ROOT / home).rglob("*.py")}
        assert {path for path in paths if "__init__" not in path} <= every


def test_tests_are_chosen_by_what_they_speak_of():
    chosen = {path.name for path in files("interlock/_protocol/counters/bounds.py")}
    assert {"test_counters.py", "test_counter_model.py"} <= chosen
    assert not {"test_renewing.py", "test_surface.py", "test_mutation.py"} & chosen


def test_tests_that_import_a_module_judge_it_first_and_then_those_that_run_it_step_by_step():
    lease = "interlock/_protocol/locks/lease.py"
    importing, own, quick, others = [{path.name for path in each} for each in stages(lease)]
    assert "test_releasing.py" in importing
    assert "test_renewing.py" in own
    assert "test_committing.py" in quick
    assert {"test_locks.py", "test_process.py"} <= others
    assert sorted(path for each in stages(lease) for path in each) == sorted(files(lease))


def test_of_a_module_of_the_wire_its_own_tests_come_first_and_then_all_of_the_wire():
    reader = "interlock/_wire/http1.py"
    importing, wire, others = [{path.name for path in each} for each in stages(reader)]
    assert "test_http1.py" in importing
    assert {"test_scripted.py", "test_sockets.py"} <= wire
    assert "test_false_replies.py" in others
    assert sorted(path for each in stages(reader) for path in each) == sorted(files(reader))


def test_of_a_driver_those_tests_come_last_that_import_another():
    importing, *_, others = [
        {path.name for path in each} for each in stages("interlock/_drivers/service_clock.py")
    ]
    assert "test_service_clock.py" in importing
    assert "test_transports.py" in others
    assert "test_locks.py" not in others


def test_what_was_measured_before_a_home_was_is_measured_again(monkeypatch, tmp_path):
    monkeypatch.setattr(reach, "STORE", tmp_path)
    measured: list[object] = []
    monkeypatch.setattr(reach, "_measure", measured.extend)
    path = ROOT / "tests/unit/test_english.py"
    said = {"of": reach.digest(path), "seconds": {}, "lines": {}}
    said["modules"] = {"interlock/_protocol/names.py": ""}
    (tmp_path / "tests.unit.test_english.py.json").write_text(json.dumps(said))
    reached("interlock/_protocol/texts.py", [path], print)
    assert measured == []
    reached("interlock/_wire/http1.py", [path], print)
    assert measured == [path]


def test_of_tests_that_are_named_each_reaches_all_until_that_is_known():
    named = "tests/unit/test_english.py"
    (stage,) = stages("interlock/_protocol/locks/lease.py", [named])
    found = reached("interlock/_protocol/locks/lease.py", stage, print, look=True)
    assert frozenset({7}) & found[named]["lines"] == {7}


def test_of_a_module_that_runs_nothing_each_test_may_find_the_mistakes(monkeypatch, tmp_path):
    monkeypatch.setattr(reach, "STORE", tmp_path)
    name = "tests/unit/test_english.py"
    seconds, other = {f"{name}::test_it": 0.1}, {"interlock/_protocol/names.py": ""}
    said = {"of": reach.digest(ROOT / name), "seconds": seconds, "lines": {}, "modules": other}
    (tmp_path / f"{name.replace('/', '.')}.json").write_text(json.dumps(said))
    found = reached("interlock/_protocol/locks/sound.py", [ROOT / name], print)
    assert found == {f"{name}::test_it": {"seconds": 0.1, "lines": set()}}


def test_tests_that_make_mistakes_of_their_own_judge_none():
    assert not is_a_judge("tests/simulation/test_locks.py::test_a_mistake_is_found[x]")
    assert is_a_judge("tests/simulation/test_locks.py::test_guarantees_hold")
