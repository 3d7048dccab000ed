"""Clients and what they hand out belong to their process: no pickle and no copy of them."""

import copy
import pickle
from importlib import import_module

import pytest

from interlock import LockClient

TABLE = "arn:aws:dynamodb:eu-central-1:111122223333:table/coordination"
ROOMS = {
    "counters": ["Counter", "CounterClient"],
    "locks": ["Lock", "LockClient"],
    "signing": [
        "DelegatedSigner",
        "HybridSigner",
        "KmsVerifier",
        "Mac",
        "SignedItem",
        "Signer",
        "Verifier",
    ],
    "transactions": ["Transaction", "TransactionClient"],
}
KINDS = [
    getattr(import_module(f"{half}.{room}"), name)
    for half in ("interlock", "interlock.aio")
    for room, names in ROOMS.items()
    for name in names
]


@pytest.mark.parametrize("way", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_no_second_one_comes_about(kind, way):
    with pytest.raises(TypeError, match=f"a {kind.__name__} is this process's"):
        way(kind.__new__(kind))


def test_a_child_that_is_spawned_with_a_client_is_told_what_to_do():
    with (
        LockClient(TABLE) as client,
        pytest.raises(TypeError, match="make one in each process, of the same table"),
    ):
        pickle.dumps({"args": (client,)})
