"""What each signer of the library sends is what the service finds signed."""

import asyncio
import json
import random
import re
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import botocore.session
import httpx
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import NoCredentialsError

from interlock._protocol.sigv4 import authorization, canonical_headers, canonical_request
from interlock.errors import InvalidValue
from interlock.signing import sigv4
from server.sigv4 import RoleSigner
from tests.unit.signing.aws import SECRETS, accepts

SUITE = json.loads(Path(__file__).with_name("vectors").joinpath("sigv4.json").read_text("utf-8"))
HOST = "https://abc.execute-api.eu-west-1.amazonaws.com"
NOW = 1_767_323_045.0  # 2026-01-02T03:04:05Z
((ACCESS_KEY, SECRET_KEY),) = SECRETS.items()


def session(token=None):
    return boto3.Session(ACCESS_KEY, SECRET_KEY, token, region_name="eu-west-1")


def signing(token=None):
    return sigv4(session(token), wall_clock=lambda: NOW)


def target(url):
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def by_httpx(auth, method="GET", url=HOST, headers=(), body=b""):
    """Return what the connection is given: method, target, lines of headers, body."""
    request = httpx.Request(method, url, headers=list(headers), content=body)
    signed = next(httpx.Client(auth=auth).auth.auth_flow(request))  # type: ignore[union-attr]
    return signed.method, signed.url.raw_path.decode(), signed.headers.multi_items(), body


def by_requests(auth, method="GET", url=HOST, headers=(), body=b""):
    prepared = requests.Request(method, url, headers=dict(headers), data=body, auth=auth).prepare()
    lines = [("Host", urlsplit(prepared.url).netloc), *prepared.headers.items()]
    return prepared.method, prepared.path_url, lines, body


def by_sign(auth, method="GET", url=HOST, headers=(), body=b""):
    added = auth.sign(method, url, headers=headers, body=body)
    return method, target(url), [("Host", urlsplit(url).netloc), *headers, *added.items()], body


def by_the_service(auth, method="GET", url=HOST, headers=(), body=b""):
    del auth
    role = botocore.session.Session()
    role.set_credentials(ACCESS_KEY, SECRET_KEY)
    signed = asyncio.run(RoleSigner("eu-west-1", role).sign(method, url, body, dict(headers)))
    return method, target(url), [("Host", urlsplit(url).netloc), *signed.items()], body


each_signer = pytest.mark.parametrize("send", [by_httpx, by_requests, by_sign, by_the_service])


@pytest.mark.parametrize("case", SUITE["cases"], ids=lambda case: case["name"])
def test_the_suite_that_aws_publishes_is_signed(case):
    head = case["request"].partition("\n\n")[0]
    line, *lines = head.splitlines()
    # A line that begins with a space goes on with the one before (RFC 9112, 5.2).
    folded = re.sub(r"\n +", " ", "\n".join(lines)).splitlines()
    headers = [(name, value) for name, _, value in (each.partition(":") for each in folded)]
    method, path, query = re.fullmatch(r"(\w+) ([^?]*)\??(.*) HTTP/1.1", line).groups()  # type: ignore[union-attr]
    names = re.search(r"\n\n([^\n]*)\n[0-9a-f]{64}$", case["canonical"])[1].split(";")  # type: ignore[index]
    digest = case["canonical"].rpartition("\n")[2]
    own = {
        "x-amz-date": SUITE["timestamp"],
        "x-amz-security-token": case["token"],
        "x-amz-content-sha256": digest,
    }
    signed = canonical_headers([*headers, *((n, own[n]) for n in own if n in names)])
    canonical = canonical_request(method, path, query, signed, digest)
    assert canonical == case["canonical"]
    given = SUITE["credentials"]
    result = authorization(
        canonical,
        signed,
        credentials=Credentials(given["access_key"], given["secret_key"], case["token"]),
        service=SUITE["service"],
        region=SUITE["region"],
        timestamp=SUITE["timestamp"],
    )
    assert result.endswith(f"Signature={case['signature']}")
    assert f"SignedHeaders={';'.join(names)}," in result


SPELLINGS = [
    "/v1/counters",
    "/v1/counters?prefix=team",
    "/v1/counters?prefix=team:a",
    "/v1/counters?prefix=team%3Aa",
    "/v1/counters?prefix=team%3aa",
    "/v1/counters?prefix=a@b,c/d",
    "/v1/counters?after=x+y",
    "/v1/counters?after=x%20y&after=x%2By",
    "/v1/counters?b=2&a=1&a=0&a-=3&c",
    "/v1/counters?q=a=b=c&=empty",
    "/v1/counters?q=%C3%A9%e2%82%ac&q=%FF",
    "/v1/counters/team:a",
    "/v1/counters/a,b;c@d+e!$'()*",
    "/v1/counters/a%2Fb%2fb%3a%20c",
    "/v1/counters/~a-b._c/",
    "/v1//counters///a",
    "/v1/locks/a/b",
    "/",
    "",
]


@each_signer
@pytest.mark.parametrize("path", SPELLINGS)
def test_whatever_is_sent_is_found_signed_however_it_is_spelt(send, path):
    sent = send(signing(), url=HOST + path)
    assert accepts(*sent)


@pytest.mark.parametrize("path", ["/v1/a/../b", "/a/b/c/../d", "/v1/./b/.", "/a/b/.."])
def test_a_path_with_dots_is_signed_as_the_service_resolves_it(path):
    assert accepts(*by_sign(signing(), url=HOST + path))


def test_random_urls_are_found_signed():
    """Seeded: any path and query of what a URL may hold raw, and of escapes in both cases."""
    dice = random.Random(19)  # noqa: S311 - the same URLs each time
    raw = "azAZ09-._~!$'()*,;:@+/"
    for _ in range(500):

        def text(more="", dice=dice):
            pieces = [*raw, *more, "%2f", "%2F", "%3a", "%e2%82%ac", "%20", "%25", "%00"]
            return "".join(dice.choice(pieces) for _ in range(dice.randrange(12)))

        url = f"{HOST}/x{text()}?{text('=&=&')}"
        sent = by_sign(signing(dice.choice([None, "token"])), "POST", url, [], text().encode())
        assert accepts(*sent), url


@each_signer
def test_each_header_of_amazons_is_signed(send):
    headers = [("X-Amz-Meta", "a   b "), ("x-amz-expected", "1"), ("X-Amzn-Trace-Id", "Root=1")]
    method, path, lines, body = send(signing(), headers=headers)
    assert accepts(method, path, lines, body)
    changed = [(n, "2" if n.lower() == "x-amz-expected" else v) for n, v in lines]
    assert not accepts(method, path, changed, body)
    # Load balancers and proxies rewrite the trace's id.
    traced = [(n, "Root=2" if n.lower() == "x-amzn-trace-id" else v) for n, v in lines]
    assert accepts(method, path, traced, body)


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "Content-Length",
        "Expect",
        "Transfer-Encoding",
        "User-Agent",
        "X-Amzn-Trace-Id",
    ],
)
def test_a_header_that_is_changed_on_the_way_is_not_signed(name):
    method, path, lines, body = by_sign(signing(), url=f"{HOST}/a", headers=[(name, "sent")])
    received = [(each, "got" if each == name else value) for each, value in lines]
    assert accepts(method, path, received, body)


def test_two_lines_of_a_header_are_signed_as_they_are_received():
    headers = [("x-amz-meta", "a"), ("x-amz-meta", "b")]
    assert accepts(*by_httpx(signing(), headers=headers))
    assert accepts(*by_sign(signing(), headers=headers))


@each_signer
@pytest.mark.parametrize("part", ["method", "path", "body", "content-type", "host"])
def test_each_part_of_the_request_is_signed(send, part):
    headers = [("Content-Type", "application/json")]
    method, path, lines, body = send(signing(), "POST", f"{HOST}/a?b=c", headers, b"{}")
    assert accepts(method, path, lines, body)
    changed = {
        "method": ("PUT", path, lines, body),
        "path": (method, path + "x", lines, body),
        "body": (method, path, lines, b"[]"),
    }
    other = [(name, "other" if name.lower() == part else value) for name, value in lines]
    assert not accepts(*changed.get(part, (method, path, other, body)))


@pytest.mark.parametrize("send", [by_httpx, by_requests])
def test_the_scope_and_the_token_are_sent(send):
    _, _, lines, _ = send(signing("token"), "POST", headers=[("content-type", "a/b")], body=b"{}")
    headers = {name.lower(): value for name, value in lines}
    scope = "AKIDEXAMPLE/20260102/eu-west-1/execute-api/aws4_request"
    assert scope in headers["authorization"]
    assert (
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token"
        in headers["authorization"]
    )
    assert headers["x-amz-security-token"] == "token"


def test_a_request_that_is_sent_again_is_signed_again():
    """Of an earlier signature nothing is left, least of all another role's token."""
    request = httpx.Request("GET", HOST)
    signing("old")(request)
    signing()(request)
    assert "x-amz-security-token" not in request.headers
    assert accepts("GET", "/", request.headers.multi_items())


def test_an_earlier_signature_among_the_headers_is_not_signed():
    earlier = ["Authorization", "X-Amz-Date", "X-Amz-Security-Token"]
    added = signing().sign("GET", HOST, headers=[(name, "old") for name in earlier])
    assert accepts("GET", "/", [("Host", HOST[8:]), *added.items()])


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Api.Example/", "api.example"),
        ("https://api.example:443/", "api.example"),
        ("http://api.example:443/", "api.example:443"),
        ("http://api.example:80/", "api.example"),
        ("https://api.example:80/", "api.example:80"),
        ("http://user:pw@127.0.0.1:4566/", "127.0.0.1:4566"),
        ("http://[::1]:4566/", "[::1]:4566"),
    ],
)
def test_the_host_is_signed_as_the_connection_sends_it(url, host):
    added = signing().sign("GET", url)
    assert accepts("GET", "/", [("Host", host), *added.items()])


def test_botocore_signs_alike():
    url = f"{HOST}/v1/counters/a%2Fb:c?after=x&prefix=y"
    theirs = AWSRequest("POST", url, data=b"{}", headers={"Content-Type": "application/json"})
    credentials = session("token").get_credentials().get_frozen_credentials()
    SigV4Auth(credentials, "execute-api", "eu-west-1").add_auth(theirs)
    sent = theirs.headers
    assert accepts("POST", target(url), [("Host", HOST[8:]), *sent.items()], b"{}")
    names = re.search("SignedHeaders=([^,]*)", sent["Authorization"])
    ours = signing("token").sign(
        "POST", url, headers=[("Content-Type", "application/json")], body=b"{}"
    )
    assert names
    assert names[0] in ours["Authorization"]


@pytest.mark.parametrize(
    "url",
    [
        f"{HOST}/é",
        f"{HOST}/a b",
        f"{HOST}/a\tb",
        f"{HOST}/a%zz",
        f"{HOST}/?q=100%",
        "ftp://api.example/",
        "https:///path",
        "https://api.example:port/",
        "/path",
    ],
)
def test_what_cannot_be_sent_in_one_spelling_is_refused(url):
    with pytest.raises(InvalidValue, match="url"):
        signing().sign("GET", url)


@pytest.mark.parametrize(
    ("name", "value"),
    [("x-amz-meta", "é"), ("x-amz-meta", "a\r\nb"), ("x-amz-content-sha256", "0" * 64)],
)
def test_a_header_that_cannot_be_signed_is_refused(name, value):
    with pytest.raises(InvalidValue, match=name):
        signing().sign("GET", HOST, headers={name: value})


def test_a_payload_may_be_left_unsigned():
    headers = [("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]
    method, path, lines, _ = by_sign(signing(), "POST", headers=headers, body=b"a")
    assert accepts(method, path or "/", lines, b"b")


def test_a_streamed_body_is_refused():
    with pytest.raises(TypeError, match="cannot be signed"):
        by_requests(signing(), "POST", body=iter([b"a"]))


def test_a_region_is_needed(monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(ValueError, match="region"):
        sigv4(boto3.Session("a", "b"))


@pytest.mark.parametrize("library", [boto3.Session, botocore.session.Session])
def test_a_region_of_the_environment_is_found_which_botocore_does_not_look_at(monkeypatch, library):
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    signed = sigv4(library()).sign("GET", HOST)
    assert "/eu-north-1/execute-api/" in signed["Authorization"]


def test_missing_credentials_are_reported():
    class Anonymous:
        region_name = "eu-west-1"

        def get_credentials(self):
            return None

    with pytest.raises(NoCredentialsError):
        sigv4(Anonymous()).sign("GET", HOST)
