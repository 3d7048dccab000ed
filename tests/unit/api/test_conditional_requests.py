"""Conditional requests (RFC 9110, 13): by ETags, on reads and on every write."""

import pytest

WRITES = {
    "PUT": lambda call, **o: call("PUT", "/counters/a", {"floor": 0, "ceiling": 99}, **o),
    "PATCH": lambda call, **o: call("PATCH", "/counters/a", {"ceiling": 99}, **o),
    "DELETE": lambda call, **o: call("DELETE", "/counters/a", **o),
    "increment": lambda call, **o: call("POST", "/counters/a/increment", {"amount": 1}, **o),
    "decrement": lambda call, **o: call("POST", "/counters/a/decrement", {"amount": 1}, **o),
    "reset": lambda call, **o: call("POST", "/counters/a/reset", {"to": 3}, **o),
}


@pytest.fixture
def tag(call):
    call("PUT", "/counters/a", {"floor": 0, "ceiling": 9})
    call("POST", "/counters/a/increment", {"amount": 2})
    return call("GET", "/counters/a").headers["ETag"]


def refused(call, write, **headers):
    """Make a write that must be 412, and change nothing."""
    before = call("GET", "/counters/a").body
    reply = WRITES[write](call, headers={k.replace("_", "-"): v for k, v in headers.items()})
    assert (reply.status, reply.body["type"]) == (412, "urn:interlock:problem:precondition-failed")
    assert call("GET", "/counters/a").body == before
    return reply


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("form", ["{}", "*", '"x", {}', '"a,b",{} , "y"'])
def test_a_write_is_done_while_the_counter_is_as_it_was_read(call, tag, write, form):
    reply = WRITES[write](call, headers={"If-Match": form.format(tag)})
    assert reply.status in {200, 204}
    assert call("GET", "/counters/a").headers.get("ETag") != tag


@pytest.mark.parametrize("write", WRITES)
def test_lists_on_several_lines_are_one(call, tag, write):
    assert WRITES[write](call, headers={"If-Match": ['"x"', tag]}).status in {200, 204}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("form", ['"x"', "W/{}", '"x", "y"', '"{}"x", *"'])
def test_no_write_is_done_for_another_state(call, tag, write, form):
    if form == '"{}"x", *"':
        reply = WRITES[write](call, headers={"If-Match": form.format(tag)})
        assert (reply.status, reply.body["field"]) == (400, "If-Match")
        return
    assert refused(call, write, If_Match=form.format(tag)).body["field"] == "If-Match"


@pytest.mark.parametrize("form", ['"a" "b"', '"a", *', '"a"' + " " * 4000 + "x", " " * 4000 + "x"])
def test_what_is_no_list_is_refused_however_long_it_is(call, tag, form):
    reply = call("DELETE", "/counters/a", headers={"If-Match": form})
    assert (reply.status, reply.body["field"]) == (400, "If-Match")
    assert call("GET", "/counters/a", headers={"If-None-Match": form}).headers["ETag"] == tag


@pytest.mark.parametrize("write", WRITES)
def test_a_change_meanwhile_makes_the_etag_another(call, tag, write):
    call("POST", "/counters/a/increment", {"amount": 1})
    refused(call, write, If_Match=tag)


@pytest.mark.parametrize("write", WRITES)
def test_a_counter_that_is_not_there_matches_nothing(call, write):
    assert WRITES[write](call, headers={"If-Match": "*"}).status == 412
    assert call("GET", "/counters/a").status == 404


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("form", ["*", "{}", "W/{}"])
def test_if_none_match_refuses_a_counter_that_is_there(call, tag, write, form):
    refused(call, write, If_None_Match=form.format(tag))


@pytest.mark.parametrize("write", ["PUT", "increment"])
def test_if_none_match_makes_a_counter_that_is_not_there(call, write):
    assert WRITES[write](call, headers={"If-None-Match": "*"}).status in {200, 201}
    assert call("GET", "/counters/a").status == 200


def test_a_repetition_under_its_key_is_answered_and_not_412(call, tag):
    headers = {"If-Match": tag, "Idempotency-Key": "k"}
    first, again = (WRITES["increment"](call, headers=headers) for _ in range(2))
    assert (first.status, again.status, again.body["replayed"]) == (200, 200, True)
    assert call("GET", "/counters/a").body["value"] == 3
    refused(call, "increment", If_Match=tag, Idempotency_Key="other")


def test_a_transfer_has_no_etag(call, tag):
    call("PUT", "/counters/b", {})
    body = {"from": "a", "to": "b", "amount": 1}
    assert call("POST", "/transfers", body, headers={"If-Match": tag}).status == 412


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("{}", 304),
        ("W/{}", 304),
        ("*", 304),
        ('"a,b", W/{}', 304),
        ('"x"', 200),
        ("", 200),
        ("x", 200),
        ("w/{}", 200),
    ],
)
def test_a_read_is_304_by_weak_comparison(call, tag, form, status):
    reply = call("GET", "/counters/a", headers={"If-None-Match": form.format(tag)})
    assert (reply.status, reply.headers["ETag"]) == (status, tag)


def test_a_read_reads_all_lines_of_a_list(call, tag):
    assert call("GET", "/counters/a", headers={"If-None-Match": ['"zzz"', tag]}).status == 304
