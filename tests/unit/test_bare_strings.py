"""A bare string where the library takes several strings is refused, with what to write."""

import importlib
import inspect
import re

import pytest

from interlock.errors import InvalidValue
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table

TEXT = "orders"
KEY = "arn:aws:kms:eu-central-1:271828182845:key/1"
# What makes one or is called: its other arguments, and its parameters of several strings.
SIGNING = {
    "DelegatedSigner": ((KEY,), "token_types"),
    "HybridVerifier": (({"keys": []},), "algorithms required"),
    "KmsVerifier": (([KEY],), "algorithms required key_ids"),
    "Mac": ((KEY,), "previous required"),
    "SignedItem": (("t",), "attributes"),
    "Verifier": (({"keys": []},), "algorithms required"),
    "jwks": ((), "key_ids"),
    "sign_message": ((None, None), "components"),
    "verify_message": ((None, None), "components"),
}
CASES = [(name, option) for name, (_, options) in SIGNING.items() for option in options.split()]
_MODULES = ("counters", "latches", "locks", "signing", "transactions")
_SEVERAL = re.compile(r"(Sequence|Iterable|Collection|[Ss]et|list)\[str\]")


@pytest.fixture
def client(half):
    return half.client(Store(Table("t")).perform)


def parameters(package):
    """Yield each parameter of several strings in the public API."""
    for module in _MODULES:
        public = importlib.import_module(f"{package}.{module}")
        for name in public.__all__:
            kind = getattr(public, name)
            calls = {name: kind}
            if inspect.isclass(kind):
                found = inspect.getmembers(kind, inspect.isfunction)
                calls |= {f"{name}.{each}": call for each, call in found if each[0] != "_"}
            for place, call in calls.items():
                try:
                    taken = inspect.signature(call).parameters.values()
                except (TypeError, ValueError):
                    continue  # a constant or an exception
                yield from ((place, each.name) for each in taken if _SEVERAL.search(str(each)))


def refused(name):
    return pytest.raises(InvalidValue, match=rf"^{name}: .*\['{TEXT}'\]")


def test_every_parameter_of_several_strings_is_tried_here(half):
    tried = {*CASES, ("LockClient.acquire_all", "names"), ("Transaction.update", "remove")}
    assert set(parameters(half.package)) == tried


@pytest.mark.parametrize(("name", "option"), CASES)
def test_it_is_refused_of_signatures(half, client, name, option):
    kind = getattr(half.signing, name)
    takes = inspect.signature(kind).parameters
    given = {option: TEXT} | ({"client": client} if "client" in takes else {})
    others = [] if option == next(iter(takes)) else SIGNING[name][0]
    with refused(option):
        half.call(kind, *others, **given)


def test_it_is_refused_of_locks(half, client):
    with refused("names"):
        half.wrap(half.locks.LockClient("t", client=client)).acquire_all(TEXT)


def test_it_is_refused_of_what_an_update_removes(half, client):
    transactions = half.wrap(half.transactions.TransactionClient("t", client=client))
    with refused("remove"):
        transactions.run(half.function(lambda tx: tx.update("t", {"pk": "a"}, remove=TEXT)))
