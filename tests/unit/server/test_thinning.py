from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from server.thinning import thinned, width

VALUES = st.lists(st.tuples(st.integers(1, 9), st.integers(-(10**37), 10**37), st.booleans()))


@given(VALUES, st.integers(1, 50))
def test_what_stands_out_is_kept_and_nothing_is_invented(steps, seconds):
    samples, tick, fence = [], 0, 1
    for step, value, turns in steps:
        tick, fence = tick + step, fence + turns
        samples.append([tick, str(value), fence])
    few = thinned(samples, seconds)
    assert all(each in samples for each in few)
    assert [each[0] for each in few] == sorted({each[0] for each in few})
    assert few[:1] == samples[:1]
    assert few[-1:] == samples[-1:]
    values = [int(value) for _, value, _ in samples]
    kept = [int(value) for _, value, _ in few]
    assert max(kept, default=0) == max(values, default=0)
    assert min(kept, default=0) == min(values, default=0)
    turned = [after[0] for before, after in pairwise(samples) if before[2] != after[2]]
    assert set(turned) <= {each[0] for each in few}
    assert len(few) <= 2 * (tick // seconds + 1) + 2 + len(turned)


def test_the_width_gives_two_samples_each():
    assert (width(3600, 600), width(86400, 600), width(1, 600)) == (12, 288, 1)
