"""Each text that Signature Version 4 makes of a request, piece by piece."""

from typing import Any, NamedTuple

import pytest

from interlock._protocol.sigv4 import (
    canonical_headers,
    canonical_path,
    canonical_query,
    canonical_request,
    signature_headers,
)
from interlock.errors import InvalidValue


class Key(NamedTuple):
    access_key: str = "AKIDEXAMPLE"
    secret_key: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    token: str | None = None


URL = "https://example.amazonaws.com/"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
AT = 1_440_938_160.0  # 2015-08-30T12:36:00Z


def signed(url=URL, headers=(), body=b"", key=Key()):  # noqa: B008 - it cannot be changed
    scope: Any = {"service": "service", "region": "us-east-1", "now": AT}
    return signature_headers("GET", url, headers, body, credentials=key, **scope)


def test_a_plain_request_is_signed_as_in_the_suite_of_aws():
    assert signed() == {
        "X-Amz-Date": "20150830T123600Z",
        "Authorization": (
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        ),
    }


def test_a_token_is_sent_and_signed():
    added = signed(key=Key(token="t"))
    assert added["X-Amz-Security-Token"] == "t"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in added["Authorization"]


def test_a_canonical_request_has_its_parts_in_this_order():
    headers = {"host": "h", "a": "1"}
    lines = ["GET", "/a", "b=c", "a:1", "host:h", "", "a;host", "digest"]
    assert canonical_request("GET", "/a", "b=c", headers, "digest") == "\n".join(lines)


NOT_SIGNED = [
    *("Authorization", "X-Amz-Date", "X-Amz-Security-Token"),
    *("Connection", "Content-Length", "Expect", "Transfer-Encoding", "User-Agent"),
    "X-Amzn-Trace-Id",
]


@pytest.mark.parametrize("name", NOT_SIGNED)
def test_what_is_set_here_or_changed_on_the_way_is_not_signed(name):
    assert signed(headers=[(name, "a")]) == signed()


def test_every_other_header_is_signed_whatever_its_value():
    added = signed(headers=[("X-Amz-Meta", "Authorization")])
    assert "SignedHeaders=host;x-amz-date;x-amz-meta," in added["Authorization"]
    assert added != signed(headers=[("X-Amz-Meta", "b")])


HOSTS = {
    "https://Api.Example/": "api.example",
    "https://api.example:443/": "api.example",
    "http://api.example:443/": "api.example:443",
    "http://api.example:80/": "api.example",
    "https://api.example:80/": "api.example:80",
    "http://user:pw@127.0.0.1:4566/": "127.0.0.1:4566",
    "http://[::1]:4566/": "[::1]:4566",
}


@pytest.mark.parametrize(("url", "host"), HOSTS.items())
def test_the_host_is_that_of_the_url_as_a_connection_sends_it(url, host):
    assert signed(url) == signed(url, [("Host", host)]) == signed(headers=[("host", host)])


@pytest.mark.parametrize(
    ("url", "reason"),
    {
        f"{URL}é": "printable ASCII",
        f"{URL}a b": "printable ASCII",
        f"{URL}%zz": "begins no escape",
        "https://api.example:port/": "Port",
        "https://api.example:65536/": "Port",
        "ftp://api.example/": "http",
        "https:///path": "with a host",
        "/path": "with a host",
    }.items(),
)
def test_a_url_is_refused_that_is_sent_in_another_spelling_or_to_no_host(url, reason):
    with pytest.raises(InvalidValue, match=reason):
        signed(url)


@pytest.mark.parametrize(
    ("path", "canonical"),
    {
        "": "/",
        "/": "/",
        "/a": "/a",
        "/a/": "/a/",
        "//a///b": "/a/b",
        "/./a/./b/.": "/a/b/",
        "/a/b/c/../d": "/a/b/d",
        "/a/b/..": "/a/",
        "/a/..": "/",
        "/../a": "/a",
        "/a%2Fb:c": "/a%252Fb%3Ac",
    }.items(),
)
def test_a_path_is_resolved_and_encoded_once_more(path, canonical):
    assert canonical_path(path) == canonical


@pytest.mark.parametrize(
    ("query", "canonical"),
    {
        "": "",
        "b=2&a=1&a=0": "a=0&a=1&b=2",
        "&a&": "a=",
        "q=a=b": "q=a%3Db",
        "q=a/b,c": "q=a%2Fb%2Cc",
        "q=x+y%20z%2B": "q=x%20y%20z%2B",
        "q=%c3%A9%ff~": "q=%C3%A9%FF~",
    }.items(),
)
def test_a_query_has_one_spelling_and_order(query, canonical):
    assert canonical_query(query) == canonical


def test_lines_of_one_header_are_one_and_their_spaces_single():
    lines = [("X-Amz-Meta", " a   b "), ("Host", "h"), ("x-amz-meta", "c")]
    assert canonical_headers(lines) == {"x-amz-meta": "a b,c", "host": "h"}


@pytest.mark.parametrize("value", ["é", "a\r\nb", "\x7f"], ids=ascii)
def test_a_header_is_refused_that_a_connection_would_not_send_as_it_is(value):
    with pytest.raises(InvalidValue, match="x-amz-meta"):
        canonical_headers([("x-amz-meta", value)])


def test_the_hash_of_a_body_may_be_given_and_has_to_be_true():
    name = "X-Amz-Content-Sha256"
    right = signed(headers=[(name, EMPTY)])
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date," in right["Authorization"]
    unsigned = [(name, "UNSIGNED-PAYLOAD")]
    assert signed(headers=unsigned, body=b"a") == signed(headers=unsigned) != right
    with pytest.raises(InvalidValue, match="SHA-256 of the body"):
        signed(headers=[(name, EMPTY)], body=b"a")
    assert signed(body=b"a") != signed()
