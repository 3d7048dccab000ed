"""What unit tests share."""

import functools

import botocore.loaders
import pytest

from tests.halves import HALVES

# Every test has a session of its own, which would read and parse the same models again.
botocore.loaders.create_loader = functools.cache(botocore.loaders.create_loader)


@pytest.fixture(params=HALVES, ids=["blocking", "awaitable"])
def half(request):
    """One half of the library after the other."""
    with request.param() as half:
        yield half
