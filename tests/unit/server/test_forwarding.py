import asyncio
import threading

import httpx
import pytest
from botocore.session import Session

from server.sigv4 import CredentialsMissing, RoleSigner
from server.upstream import Upstream
from tests.unit.server.conftest import API, PlainSigner
from tests.unit.server.playing import Played

COUNTER = {"name": "visits", "value": "3"}


def answering(*replies):
    """Play an API that gives these replies (or raises these errors) in order, then the last."""
    seen = []

    def handle(request):
        seen.append(request)
        reply = replies[min(len(seen), len(replies)) - 1]
        if isinstance(reply, Exception):
            raise reply
        return reply

    return handle, seen


def refused(status, **headers):
    return httpx.Response(status, json={"message": "no"}, headers=headers)


async def test_a_request_is_signed_and_goes_to_the_stage_as_it_was_encoded(service):
    handle, seen = answering(httpx.Response(200, json=COUNTER, headers={"etag": '"3"'}))
    client = await service(handle, api_key="k")
    reply = await client.get("/api/counters/a%2Fb%20c?x=1&y=%26")
    assert reply.status_code == 200
    assert reply.headers["etag"] == '"3"'
    raw = b"/_aws/execute-api/abc/local/counters/a%2Fb%20c?x=1&y=%26"
    assert seen[0].url.raw_path == raw
    assert seen[0].headers["authorization"] == f"signed GET http://api.test{raw.decode()} 0"
    assert seen[0].headers["x-api-key"] == "k"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (b"/counters/a%2Fb;c=d?x=%26&y=+", "/counters/a%2Fb;c=d?x=%26&y=+"),
        (b'/counters/{a}"b"?x=<1>', "/counters/%7Ba%7D%22b%22?x=%3C1%3E"),
        (b"/counters/a#b?c", "/counters/a%23b?c"),  # no fragment: it would be left out
        (b"//elsewhere.test/a", "//elsewhere.test/a"),
    ],
)
async def test_what_no_target_may_hold_is_encoded_before_it_is_signed(given, sent):
    handle, seen = answering(httpx.Response(200, json=COUNTER))
    upstream = Upstream(API, PlainSigner(), timeout=5, connections=Played(handle))
    await upstream.call("GET", given, headers={})
    assert seen[0].headers["authorization"] == f"signed GET {API}{sent} 0"


async def test_the_callers_cookies_and_credentials_stay_here(service):
    handle, seen = answering(httpx.Response(200, json=COUNTER))
    client = await service(handle)
    await client.get("/api/counters/a", headers={"cookie": "a=b", "authorization": "mine"})
    assert "cookie" not in seen[0].headers
    assert seen[0].headers["authorization"].startswith("signed")


async def test_one_request_id_goes_all_the_way(service):
    handle, seen = answering(httpx.Response(200, json=COUNTER))
    client = await service(handle)
    reply = await client.get("/api/counters/a", headers={"x-request-id": "abc-1"})
    assert seen[0].headers["x-request-id"] == reply.headers["x-request-id"] == "abc-1"


async def test_an_unsuitable_request_id_is_replaced(service):
    handle, _ = answering(httpx.Response(200, json=COUNTER))
    reply = await (await service(handle)).get("/healthz", headers={"x-request-id": "a b\t{}"})
    assert reply.headers["x-request-id"] != "a b\t{}"


async def test_problem_details_pass_through_to_the_byte(service):
    words = b'{"title": "Counter is full",  "status": 409, "value": 5}'
    kind = "application/problem+json"
    handle, _ = answering(httpx.Response(409, content=words, headers={"content-type": kind}))
    reply = await (await service(handle)).post("/api/counters/a/increment", json={"amount": 1})
    assert (reply.status_code, reply.content, reply.headers["content-type"]) == (409, words, kind)


async def test_the_gateways_own_refusal_becomes_a_problem(service):
    handle, _ = answering(httpx.Response(403, json={"message": "Forbidden"}))
    reply = await (await service(handle)).get("/api/counters")
    assert reply.status_code == 403
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["detail"] == "Forbidden"


@pytest.mark.parametrize("failure", [refused(503), httpx.ReadError("cut")])
async def test_a_read_is_repeated_after_a_passing_failure(service, failure):
    handle, seen = answering(failure, httpx.Response(200, json=COUNTER))
    sleeps: list[float] = []
    reply = await (await service(handle, sleeps=sleeps)).get("/api/counters/a")
    assert (reply.status_code, len(seen)) == (200, 2)
    assert 0 <= sleeps[0] <= 0.1


async def test_a_write_with_an_idempotency_key_is_repeated_with_the_same_key(service):
    handle, seen = answering(refused(502), httpx.Response(200, json=COUNTER))
    client = await service(handle)
    reply = await client.post(
        "/api/counters/a/increment", json={"amount": 1}, headers={"idempotency-key": "k1"}
    )
    assert reply.status_code == 200
    assert [r.headers["idempotency-key"] for r in seen] == ["k1", "k1"]
    assert seen[0].content == seen[1].content == b'{"amount":1}'


@pytest.mark.parametrize("failure", [refused(503), httpx.ReadError("cut")])
async def test_a_write_without_a_key_is_sent_once(service, failure):
    handle, seen = answering(failure, httpx.Response(200, json=COUNTER))
    reply = await (await service(handle)).post("/api/counters/a/increment", json={"amount": 1})
    assert len(seen) == 1
    assert reply.status_code in {502, 503}


async def test_an_ambiguous_write_says_so(service):
    handle, _ = answering(httpx.ReadError("cut"))
    reply = await (await service(handle)).post("/api/counters/a/increment", json={"amount": 1})
    assert reply.status_code == 502
    assert "may have happened" in reply.json()["detail"]


async def test_a_write_that_never_left_is_repeated(service):
    handle, seen = answering(httpx.ConnectError("no"), httpx.Response(200, json=COUNTER))
    reply = await (await service(handle)).post("/api/counters/a/increment", json={"amount": 1})
    assert (reply.status_code, len(seen)) == (200, 2)


async def test_a_dead_api_is_given_up_after_three_attempts(service):
    handle, seen = answering(httpx.ConnectError("no"))
    reply = await (await service(handle)).get("/api/counters")
    assert (reply.status_code, len(seen)) == (502, 3)
    assert reply.json()["detail"] == "the API cannot be reached"


async def test_a_refusal_is_not_repeated(service):
    handle, seen = answering(refused(429, **{"retry-after": "7"}))
    reply = await (await service(handle)).get("/api/counters")
    assert (reply.status_code, reply.headers["retry-after"], len(seen)) == (429, "7", 1)


async def test_a_slow_api_is_a_504_within_the_timeout(service):
    async def never(_):
        await asyncio.Event().wait()

    client = await service(never, timeout=0.2)
    reply = await asyncio.wait_for(client.get("/api/counters"), 20)
    assert reply.status_code == 504
    assert "0.2 s" in reply.json()["detail"]


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"<html>"])
async def test_an_answer_that_is_not_the_json_it_says_is_a_502(service, body):
    reply = httpx.Response(200, content=body, headers={"content-type": "application/json"})
    handle, seen = answering(reply)
    answer = await (await service(handle)).get("/api/counters/a")
    assert (answer.status_code, len(seen)) == (502, 1)
    assert answer.json()["detail"] == "the API's answer is not JSON"


async def test_an_endless_answer_is_cut_off(service):
    handle, _ = answering(httpx.Response(200, content=b"x" * (4 * 1024 * 1024 + 1)))
    reply = await (await service(handle)).get("/api/counters/a")
    assert reply.status_code == 502


async def test_missing_credentials_are_said_and_nothing_is_sent(service):
    class NoRole:
        async def sign(self, *_):
            raise CredentialsMissing("none")

    handle, seen = answering(httpx.Response(200, json=COUNTER))
    reply = await (await service(handle, signer=NoRole())).get("/api/counters")
    assert (reply.status_code, reply.headers["retry-after"], seen) == (503, "5", [])


@pytest.mark.parametrize("path", ["/api/%2e%2e/x", "/api/counters/%2E%2e/x", "/api/%2e/x"])
async def test_a_path_with_dot_segments_goes_nowhere(service, path):
    handle, seen = answering(httpx.Response(200, json=COUNTER))
    client = await service(handle)
    url = httpx.URL("http://service.test").copy_with(raw_path=path.encode())
    reply = await client.send(httpx.Request("GET", url))
    assert reply.status_code == 400
    assert seen == []


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://elsewhere.test"}]
)
async def test_another_sites_page_cannot_write(service, headers):
    handle, seen = answering(httpx.Response(200, json=COUNTER))
    reply = await (await service(handle)).post("/api/counters/a/reset", headers=headers)
    assert (reply.status_code, seen) == (403, [])


async def test_a_long_body_is_refused_before_it_is_read(service):
    handle, seen = answering(httpx.Response(200, json=COUNTER))
    client = await service(handle, max_body=10)
    assert (await client.put("/api/counters/a", content=b"x" * 11)).status_code == 413
    assert (await client.put("/api/counters/a", content=b"x" * 10)).status_code == 200
    assert len(seen) == 1


async def test_a_long_chunked_body_is_refused_too(service):
    async def chunks():
        for _ in range(3):
            yield b"12345"

    handle, seen = answering(httpx.Response(200, json=COUNTER))
    reply = await (await service(handle, max_body=10)).put("/api/counters/a", content=chunks())
    assert (reply.status_code, seen) == (413, [])


async def test_more_than_the_burst_is_told_when_to_come_back(service):
    handle, seen = answering(httpx.Response(200, json=COUNTER))
    client = await service(handle, rate=0.001, burst=2)
    replies = [await client.get("/api/counters") for _ in range(3)]
    assert [r.status_code for r in replies] == [200, 200, 429]
    assert 900 < int(replies[2].headers["retry-after"]) <= 1000
    assert len(seen) == 2


async def test_the_role_signer_makes_a_signature_for_execute_api(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    headers = await RoleSigner("eu-west-1").sign("GET", "http://api.test/s/a%2Fb?b=1", b"", {})
    assert "/eu-west-1/execute-api/aws4_request" in headers["Authorization"]
    assert "SignedHeaders=host;x-amz-date" in headers["Authorization"]


async def test_the_subject_of_a_person_is_signed_with_the_rest(monkeypatch):
    """Or what passes it on could ask for another person under the service's signature."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    whose = {"x-interlock-subject": "auth0|%C3%BC"}
    headers = await RoleSigner("eu-west-1").sign("GET", "http://api.test/s/a", b"", whose)
    assert "x-interlock-subject" in headers["Authorization"].split("SignedHeaders=")[1]


async def test_the_role_signer_says_that_there_is_no_role():
    class Empty(Session):
        def get_credentials(self):
            return None

    with pytest.raises(CredentialsMissing, match="give this instance a role"):
        await RoleSigner("eu-west-1", Empty()).sign("GET", "http://api.test/", b"", {})


async def test_credentials_are_fetched_and_refreshed_off_the_event_loop():
    """They come from the instance's metadata service, which may take its time."""
    loop_thread, threads = threading.get_ident(), []

    class Expiring:
        access_key, secret_key, token = "AKID", "secret", "token"
        needed = True

        def refresh_needed(self):
            return self.needed

        def get_frozen_credentials(self):
            threads.append(threading.get_ident())
            self.needed = False
            return self

    class Metadata(Session):
        def get_credentials(self):
            threads.append(threading.get_ident())
            return expiring

    expiring = Expiring()
    signer = RoleSigner("eu-west-1", Metadata())
    await signer.sign("GET", "http://api.test/", b"", {})
    assert loop_thread not in threads
    headers = await signer.sign("GET", "http://api.test/", b"", {})
    assert threads[-1] == loop_thread
    assert headers["X-Amz-Security-Token"] == "token"
    expiring.needed = True
    await signer.sign("GET", "http://api.test/", b"", {})
    assert threads[-1] != loop_thread


async def test_what_cannot_be_signed_is_a_bad_request_and_is_not_sent(service):
    handle, seen = answering(httpx.Response(200, json=COUNTER))
    role = Session()
    role.set_credentials("AKID", "secret")
    client = await service(handle, signer=RoleSigner("eu-west-1", role))
    target = httpx.URL("http://service.test").copy_with(raw_path=b"/api/counters/a%zz")
    reply = await client.get(target)
    assert (reply.status_code, seen) == (400, [])
    assert "cannot be signed" in reply.json()["detail"]
