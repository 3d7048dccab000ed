"""Templates change only on purpose: `make snapshot-update` accepts what they are now."""

import json
import re

import pytest
from syrupy.extensions.json import JSONSnapshotExtension

from tests.stacks.conftest import STACKS

_HASH = re.compile(r"[0-9a-f]{64}|(?<=CurrentVersion)[0-9A-Za-z]{40}")


def normalized(template):
    """Return a template without the hashes of what it refers to."""
    return json.loads(_HASH.sub("<hash>", json.dumps(template)))


@pytest.mark.parametrize("stack", STACKS)
def test_template_is_as_it_was_accepted(synthesized, stack, snapshot):
    if stack not in synthesized.templates:
        pytest.skip(f"{synthesized.name} has no stack {stack}")
    found = normalized(synthesized.templates[stack])
    assert found == snapshot.use_extension(JSONSnapshotExtension)
