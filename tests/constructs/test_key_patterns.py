"""Patterns of keys match what they name, by IAM's own rules, and nothing else."""

import re
from pathlib import Path
from unicodedata import normalize

import aws_cdk as cdk
import pytest
from hypothesis import given
from hypothesis import strategies as st

import interlock
from interlock.constructs.key_patterns import (
    COUNTERS,
    LOCKS,
    RECORDS,
    RESERVED_PREFIXES,
    checked_prefix,
    patterns,
)
from interlock.errors import InvalidCounterName, InvalidLockName, InvalidValue
from tests.constructs.evaluator import like

NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="#"), min_size=1
).map(lambda text: normalize("NFC", text))
SPECIAL = st.text("ab*?${}", min_size=1, max_size=6)


@given(NAMES | SPECIAL, NAMES | SPECIAL)
def test_a_name_matches_itself_alone(name, other):
    name = name.rstrip("*") or "a"
    (pattern,) = patterns(LOCKS, [name])
    assert like(f"lock#{name}", pattern)
    assert like(f"lock#{other}", pattern) == (other == name)


@given(NAMES | SPECIAL, NAMES | SPECIAL)
def test_a_trailing_star_matches_what_begins_so(stem, other):
    stem = stem.rstrip("*") or "a"
    (pattern,) = patterns(LOCKS, [f"{stem}*"])
    assert like(f"lock#{stem}{other}", pattern)
    assert like(f"lock#{other}", pattern) == other.startswith(stem)


def test_a_name_is_spelled_as_the_runtime_spells_it():
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert patterns(LOCKS, [decomposed]) == [f"lock#{composed}"]
    assert patterns(LOCKS, [f"{decomposed}/*"]) == [f"lock#{composed}/*"]
    assert patterns(COUNTERS, [decomposed]) == [f"counter#{composed}"]


@pytest.mark.parametrize(
    ("prefix", "name", "error"),
    [
        (LOCKS, "a#b", InvalidLockName),
        (LOCKS, "a\n*", InvalidLockName),
        (LOCKS, "x" * 1025, InvalidLockName),
        (COUNTERS, "a#b", InvalidCounterName),
        (COUNTERS, "x" * 513, InvalidCounterName),
        (RECORDS, "a\x00", ValueError),
    ],
)
def test_what_the_runtime_refuses_is_refused(prefix, name, error):
    with pytest.raises(error):
        patterns(prefix, [name])


@pytest.mark.parametrize("given_", ["orders/*", b"orders"])
def test_a_bare_string_is_refused_with_what_to_write(given_):
    with pytest.raises(InvalidValue, match=re.escape(f"write locks=[{given_!r}]")):
        patterns(LOCKS, given_, parameter="locks")


@pytest.mark.parametrize("given_", [[["a"]], [1], [None], 7])
def test_what_is_no_string_is_refused(given_):
    with pytest.raises(InvalidValue, match="names: "):
        patterns(LOCKS, given_)


def test_a_token_is_left_as_it_is_and_what_is_around_it_is_escaped():
    stack = cdk.Stack(cdk.App(), "Stack")
    tenant = cdk.CfnParameter(stack, "Tenant").value_as_string
    made = stack.resolve(patterns(LOCKS, [f"a?/{tenant}/*"]))
    assert made == [{"Fn::Join": ["", ["lock#a${?}/", {"Ref": "Tenant"}, "/*"]]}]


def test_every_prefix_of_the_protocol_is_reserved():
    source = Path(interlock.__file__).parent / "_protocol"
    found = {
        prefix
        for path in source.rglob("*.py")
        for prefix in re.findall(r"^_?[A-Z_]*PREFIX = \"(\w+#)\"", path.read_text(), re.MULTILINE)
    }
    assert {LOCKS, COUNTERS, RECORDS} <= found <= RESERVED_PREFIXES


def test_an_applications_prefix_may_have_parts():
    assert checked_prefix("history#2026#") == "history#2026#"
