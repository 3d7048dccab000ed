"""Each route of the deployed API does what docs/api.md says."""

from uuid import uuid4

import pytest

from interlock.receipts import ReceiptVerifier
from local.emulator import ACCOUNT


@pytest.fixture
def prefix():
    return f"r-{uuid4().hex[:10]}"


def test_a_counter_lives_from_put_to_delete(signed, prefix):
    path = f"/counters/{prefix}"
    made = signed("PUT", path, {"floor": 0, "ceiling": 9, "shards": 2})
    assert (made.status, made.headers["Location"]) == (201, path)
    assert signed("PATCH", path, {"ceiling": 8, "shards": 1}).status == 200
    assert signed("POST", f"{path}/increment", {"amount": 4}).json()["value"] == 4
    assert signed("POST", f"{path}/decrement", {"amount": 1}).json()["value"] == 3
    assert signed("POST", f"{path}/reset", {"to": 7}).json()["value"] == 7
    assert signed("GET", path).json() == {
        "name": prefix,
        "value": 7,
        "floor": 0,
        "ceiling": 8,
        "shards": 1,
    }
    assert signed("DELETE", path).status == 204
    assert signed("GET", path).status == 404


def test_a_list_is_read_page_by_page_with_values(signed, prefix):
    for number in range(3):
        signed("PUT", f"/counters/{prefix}.{number}", {})
        signed("POST", f"/counters/{prefix}.{number}/increment", {"amount": number + 1})
    first = signed("GET", f"/counters?prefix={prefix}&limit=2").json()
    second = signed("GET", f"/counters?prefix={prefix}&limit=2&after={first['next']}").json()
    listed = first["counters"] + second["counters"]
    assert [(counter["name"], counter["value"]) for counter in listed] == [
        (f"{prefix}.{number}", number + 1) for number in range(3)
    ]
    assert len(first["counters"]) == 2


def test_a_read_is_304_until_something_changes(signed, counter):
    tag = signed("GET", counter).headers["ETag"]
    assert signed("GET", counter, If_None_Match=tag).status == 304
    signed("POST", f"{counter}/increment", {"amount": 1})
    assert signed("GET", counter, If_None_Match=tag).status == 200


def test_a_write_is_conditional_on_the_etag_that_was_read(signed, counter):
    tag = signed("GET", counter).headers["ETag"]
    one = {"amount": 1}
    assert signed("POST", f"{counter}/increment", one, If_Match=tag).status == 200
    assert signed("POST", f"{counter}/increment", one, If_Match=tag).status == 412
    assert signed("PUT", counter, {"floor": 0, "ceiling": 10}, If_None_Match="*").status == 412
    assert signed("GET", counter).json()["value"] == 6


@pytest.mark.parametrize("path", ["/counters", "/openapi.json", "/.well-known/jwks.json"])
def test_head_says_what_get_would(signed, path):
    got, asked = signed("GET", path), signed("HEAD", path)
    assert (asked.status, asked.content) == (200, b"")
    assert asked.headers["ETag"] == got.headers["ETag"]


def test_options_says_what_a_path_takes(signed, counter):
    asked = signed("OPTIONS", counter)
    allowed = "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"
    assert (asked.status, asked.headers["Allow"]) == (204, allowed)


def test_a_transfer_moves_both_or_neither(signed, prefix):
    for name, ceiling in (("a", None), ("b", 3)):
        signed("PUT", f"/counters/{prefix}{name}", {"floor": 0, "ceiling": ceiling})
    signed("POST", f"/counters/{prefix}a/increment", {"amount": 5})
    order = {"from": f"{prefix}a", "to": f"{prefix}b", "amount": 3}
    moved = signed("POST", "/transfers", order, Idempotency_Key=prefix)
    assert (moved.json()["from"]["value"], moved.json()["to"]["value"]) == (2, 3)
    assert signed("POST", "/transfers", order, Idempotency_Key=prefix).json()["replayed"]
    full = signed("POST", "/transfers", {**order, "amount": 1})
    assert (full.status, full.json()["counter"]) == (409, f"{prefix}b")
    assert signed("GET", f"/counters/{prefix}a").json()["value"] == 2


def test_a_receipt_verifies_by_the_published_keys(signed, counter):
    token = signed("POST", f"{counter}/increment", {"amount": 2}).json()["receipt"]
    keys = signed("GET", "/.well-known/jwks.json").json()
    receipt = ReceiptVerifier(keys, issuer="interlock-local").verify(token)
    assert (receipt.value, receipt.previous, receipt.amount) == (7, 5, 2)
    assert receipt.request_id
    assert signed("POST", "/receipts/verify", {"receipt": token}).json()["value"] == 7


def test_a_machine_is_named_by_its_arn_whatever_it_says_of_itself(signed, counter):
    change = signed(
        "POST", f"{counter}/increment", {"amount": 1}, X_Interlock_Subject="local|alice"
    )
    stated = signed("POST", "/receipts/verify", {"receipt": change.json()["receipt"]}).json()
    assert stated["subject"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_a_person_is_named_by_the_subject_that_signed_in(deployed, signed, counter):
    change = deployed.administrator.request("POST", f"/api{counter}/increment", {"amount": 1})
    stated = signed("POST", "/receipts/verify", {"receipt": change.json()["receipt"]}).json()
    assert stated["subject"] == "local|alice"


def test_a_lock_tells_who_holds_it(signed, prefix):
    # The leader's lock is always there; its name is the service's.
    leader = signed("GET", "/locks/service/leader")
    assert leader.status == 200, leader.content
    assert leader.json()["held"]
    assert signed("GET", f"/locks/{prefix}").status == 404


def test_the_document_is_served(signed):
    assert signed("GET", "/openapi.json").json()["openapi"].startswith("3.1")
