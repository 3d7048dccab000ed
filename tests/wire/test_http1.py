"""The reader of responses understands what the services send, and nothing else."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock._wire import http1
from interlock._wire.http1 import NotUnderstood, ResponseReader
from tests.wire.scripted import seeded
from tests.wire.service import answer, chunked

OK = b"HTTP/1.1 200 OK\r\n"


def read(*pieces):
    reader = ResponseReader()
    response = None
    for piece in pieces:
        assert response is None, "it was whole before"
        response = reader.feed(piece)
    return response


@given(
    body=st.binary(max_size=300),
    seed=st.none() | st.integers(0, 1000),
    cuts=st.lists(st.integers(0, 600), max_size=8),
)
def test_a_response_is_the_same_however_it_is_cut(body, seed, cuts):
    whole = answer(200, {"B": body})
    if seed is not None:
        whole = chunked(whole, seeded(seed))
    edges = [0, *sorted({cut for cut in cuts if cut < len(whole)}), len(whole)]
    pieces = [whole[start:end] for start, end in pairwise(edges)]
    response = read(*pieces)
    assert response is not None
    assert response == read(whole)
    assert response.headers["x-amz-crc32"].isdigit()


@given(seed=st.none() | st.integers(0, 1000), at=st.integers(0, 400), changed=st.binary(max_size=3))
def test_a_damaged_response_is_understood_as_nothing_else_than_a_response(seed, at, changed):
    """Whatever arrives, the reader ends: with a response, with none yet, or not understanding."""
    whole = answer(200, {"a": "b"})
    if seed is not None:
        whole = chunked(whole, seeded(seed))
    try:
        response = read(whole[:at] + changed + whole[at + len(changed) :])
    except NotUnderstood:
        return
    assert response is None or 200 <= response.status < 600


@pytest.mark.parametrize("size", range(1, 120))
def test_a_response_that_is_cut_short_is_not_whole(size):
    whole = answer(200, {"Item": {"pk": {"S": "a"}}})
    reader = ResponseReader()
    assert reader.feed(whole[: len(whole) - size]) is None
    with pytest.raises(NotUnderstood, match="closed"):
        reader.end()


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (OK, True),
        (b"HTTP/1.1 200\r\n", True),
        (OK + b"Connection: keep-alive\r\n", True),
        (OK + b"Connection: Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
    ],
)
def test_a_connection_is_used_again_only_if_the_server_keeps_it(head, reusable):
    response = read(head + b"Content-Length: 2\r\n\r\n{}")
    assert response is not None
    assert (response.status, response.body, response.reusable) == (200, b"{}", reusable)


def test_headers_that_are_given_twice_are_joined():
    response = read(OK + b"X-A: 1\r\nx-a:\t2 \r\nContent-Length: 0\r\n\r\n")
    assert response is not None
    assert response.headers["x-a"] == "1, 2"


def test_chunks_may_have_extensions():
    body = b"4;name=value\r\n{  }\r\n0\r\n\r\n"
    response = read(OK + b"Transfer-Encoding: Chunked\r\n\r\n" + body)
    assert response is not None
    assert response.body == b"{  }"


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def test_a_response_comes_byte_by_byte():
    body = b"10\r\n0123456789abcdef\r\n2;a=b\r\n{}\r\n0\r\n\r\n"
    response = read(*((CHUNKED + body)[at : at + 1] for at in range(len(CHUNKED + body))))
    assert response is not None
    assert response.body == b"0123456789abcdef{}"


def test_a_head_is_as_large_as_it_may_be():
    fill = 65_536 - len(OK + b"content-length: 0\r\nx: ")
    for most, end in ((b"x: " + b"x" * fill, b"\r\n\r\n"), (b"x: " + b"x" * fill, b"")):
        head = OK + b"content-length: 0\r\n" + most
        assert (read(head + end) is not None) == bool(end)
        with pytest.raises(NotUnderstood, match="exceeds 65536 bytes"):
            read(head + b"x" + end)


@pytest.mark.parametrize(
    "body",
    [
        OK + b"content-length: %d\r\n\r\n",
        CHUNKED + b"%x\r\n",
        CHUNKED + b"2\r\n{}\r\n%x\r\n",
    ],
)
def test_a_body_is_as_large_as_it_may_be(body):
    most = 33_554_432 - 2 * body.count(b"{}")
    assert read(body % most) is None
    with pytest.raises(NotUnderstood):
        read(body % (most + 1))


def test_a_chunks_size_is_as_long_as_it_may_be():
    before = CHUNKED + b"fff\r\n" + b"x" * 4095 + b"\r\n"
    assert read(before + b"1;" + b"x" * 4094) is None
    with pytest.raises(NotUnderstood, match="does not end"):
        read(before + b"1;" + b"x" * 4095)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_never_has_content_needs_no_length(status):
    response = read(b"HTTP/1.1 %d X\r\n\r\n" % status)
    assert response is not None
    assert (response.status, response.headers, response.body) == (status, {}, b"")


@pytest.mark.parametrize("received", [b"", b"H", b"HTTP/1.1 200 OK"])
def test_an_end_says_how_much_had_come(received):
    reader = ResponseReader()
    reader.feed(received)
    assert reader.received == len(received)
    with pytest.raises(NotUnderstood, match=f"after {len(received)} b" if received else "without"):
        reader.end()


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 200\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 0\n\n\r\n\r\n",
        b"220 mail.example ESMTP\r\n",
        OK + b"\r\n",
        b"HTTP/1.1 205 X\r\n\r\n",
        b"HTTP/1.1 305 X\r\n\r\n",
        OK + b"content-length: 0\r\ncontent-length: 0\r\n\r\n",
        OK + b"content-length: +2\r\n\r\n{}",
        OK + b"content-length: 2, 2\r\n\r\n{}",
        OK + b"content-length: -1\r\n\r\n{}",
        OK + b"content-length: 99999999999\r\n\r\n",
        OK + b"content-length: 2\r\n\r\n{}{",
        OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n2\r\n{}{\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n2\r\n{}{}0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n{}",
        OK + b"transfer-encoding: chunked\r\n\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nTrailer: a\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n0",
        OK + b"transfer-encoding: chunked\r\n\r\nfffffff\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n" + b"1" * 5000,
        OK + b" folded: x\r\ncontent-length: 0\r\n\r\n",
        OK + b"no colon\r\ncontent-length: 0\r\n\r\n",
        OK + b"name : x\r\ncontent-length: 0\r\n\r\n",
        OK + b"name: \x00\r\ncontent-length: 0\r\n\r\n",
        OK + b"name: " + b"x" * http1.MAX_HEAD,
    ],
)
def test_what_is_not_understood_is_no_answer(data):
    with pytest.raises(NotUnderstood):
        read(data)
