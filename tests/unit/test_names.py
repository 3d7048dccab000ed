"""Names of locks and counters: one spelling each, and no name that could be another's."""

import pytest

from interlock._protocol.names import spelled
from interlock.errors import InvalidCounterName


def name_of(given, most=8):
    return spelled(given, InvalidCounterName, apart="a shard", most=most)


@pytest.mark.parametrize(
    ("given", "spelling"),
    [
        ("a", "a"),
        ("orders/4", "orders/4"),
        ("x" * 8, "x" * 8),
        ("é" * 4, "é" * 4),
        ("e\u0301" * 4, "é" * 4),  # longer than 8 bytes as it is given
        ("a b", "a b"),
        ("م\u200cن", "م\u200cن"),  # zero width non-joiner
        ("a\u200db", "a\u200db"),  # zero width joiner
    ],
    ids=ascii,
)
def test_a_name_is_taken_in_its_one_spelling(given, spelling):
    assert name_of(given) == spelling


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (7, "'7': a name is a string"),
        (None, "'None': a name is a string"),
        ("", "at least one character"),
        ("a#1", "'#' is not allowed, which sets apart a shard"),
        ("#", "'#' is not allowed"),
        ("a\nb", "unprintable"),
        ("a\u200bb", "unprintable"),  # zero width space
        ("\ud800", "unprintable"),
        ("x" * 9, "longer than 8 bytes"),
        ("é" * 5, "longer than 8 bytes"),
    ],
    ids=ascii,
)
def test_what_is_no_name_is_refused_with_the_reason(given, told):
    with pytest.raises(InvalidCounterName, match=told):
        name_of(given)
