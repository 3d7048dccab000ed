"""httpx and requests sign as botocore does, for what proxies leave alone."""

from datetime import UTC, datetime

import boto3
import httpx
import pytest
import requests
from botocore.exceptions import NoCredentialsError

from interlock.signing import sigv4

URL = "https://api.example/v1/counters/a%2Fb?x=1&y=a+b"


def session(token=None):
    return boto3.Session("AKIDEXAMPLE", "secret", token, region_name="eu-west-1")


@pytest.fixture(autouse=True)
def _frozen(monkeypatch):
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: moment.replace(tzinfo=None))


def by_httpx(auth, **request):
    seen = []

    def answer(sent):
        seen.append(sent)
        return httpx.Response(200)

    with httpx.Client(transport=httpx.MockTransport(answer), auth=auth) as client:
        client.request(**request)
    return seen[0]


def by_requests(auth, **request):
    return requests.Request(auth=auth, **request).prepare()


@pytest.mark.parametrize("send", [by_httpx, by_requests])
def test_the_scope_and_the_token_are_sent(send):
    request = send(sigv4(session("token")), method="POST", url=URL, json={"amount": 1})
    authorization = request.headers["Authorization"]
    assert "AKIDEXAMPLE/20260102/eu-west-1/execute-api/aws4_request" in authorization
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token" in authorization
    assert request.headers["X-Amz-Security-Token"] == "token"


def test_both_clients_sign_alike():
    requests_ = [
        send(
            sigv4(session()),
            method="POST",
            url=URL,
            data=b'{"amount":1}',
            headers={"Content-Type": "application/json"},
        )
        if send is by_requests
        else send(
            sigv4(session()),
            method="POST",
            url=URL,
            content=b'{"amount":1}',
            headers={"Content-Type": "application/json"},
        )
        for send in (by_httpx, by_requests)
    ]
    one, other = (request.headers["Authorization"] for request in requests_)
    # requests leaves Host to the connection; botocore derives it from the URL, so both sign it.
    assert one == other


@pytest.mark.parametrize(
    ("part", "value"), [("method", "PUT"), ("url", URL + "&z=1"), ("json", {"amount": 2})]
)
def test_each_part_of_the_request_is_signed(part, value):
    request = {"method": "POST", "url": URL, "json": {"amount": 1}}
    signatures = {
        by_httpx(sigv4(session()), **changed).headers["Authorization"]
        for changed in (request, request | {part: value})
    }
    assert len(signatures) == 2


def test_a_space_has_one_spelling():
    signatures = {
        by_httpx(sigv4(session()), method="GET", url=url).headers["Authorization"]
        for url in ("https://api.example/?q=a+b", "https://api.example/?q=a%20b")
    }
    assert len(signatures) == 1


def test_a_streamed_body_is_refused():
    with pytest.raises(TypeError, match="cannot be signed"):
        by_requests(sigv4(session()), method="POST", url=URL, data=iter([b"a"]))


def test_a_region_is_needed(monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(ValueError, match="region"):
        sigv4(boto3.Session("a", "b"))


def test_no_credentials_are_told():
    class Anonymous:
        region_name = "eu-west-1"

        def get_credentials(self):
            return None

    with pytest.raises(NoCredentialsError):
        by_httpx(sigv4(Anonymous()), method="GET", url=URL)
