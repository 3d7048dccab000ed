"""The web client's files, as browsers are given them."""

import gzip
import re

import pytest

from scripts.page import build, sources, stale
from server.application import WEB
from tests.unit.server.test_service import empty_list


@pytest.fixture
async def files(service):
    """A client that says by itself which encodings it accepts."""
    client = await service(empty_list)
    client.headers.pop("accept-encoding")
    return client


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "*", "x-gzip", "identity, *;q=0.1"])
async def test_text_is_compressed_for_those_who_take_it(files, accepted):
    request = files.build_request("GET", "/app.js", headers={"accept-encoding": accepted})
    reply = await files.send(request, stream=True)
    packed = b"".join([part async for part in reply.aiter_raw()])
    assert gzip.decompress(packed) == (WEB / "app.js").read_bytes()
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.headers["vary"] == "accept-encoding"
    assert int(reply.headers["content-length"]) == len(packed)


@pytest.mark.parametrize(
    "accepted", [None, "", "br", "gzip;q=0", "*;q=0", "gzip;q=0, *", "gzip;q=x"]
)
async def test_and_plain_for_all_others(files, accepted):
    headers = {} if accepted is None else {"accept-encoding": accepted}
    reply = await files.get("/app.js", headers=headers)
    assert reply.content == (WEB / "app.js").read_bytes()
    assert "content-encoding" not in reply.headers
    assert reply.headers["vary"] == "accept-encoding"


async def test_each_encoding_has_a_strong_tag_of_its_own(files):
    tags = {}
    for encoding in ("gzip", "identity"):
        headers = {"accept-encoding": encoding}
        tag = (await files.get("/", headers=headers)).headers["etag"]
        assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
        same = await files.get("/", headers={**headers, "if-none-match": f'"x", W/{tag}'})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert same.headers["vary"] == "accept-encoding"
        tags[encoding] = tag
    assert tags["gzip"] != tags["identity"]
    other = {"accept-encoding": "gzip", "if-none-match": tags["identity"]}
    assert (await files.get("/", headers=other)).status_code == 200


async def test_what_is_compressed_already_stays_as_it_is(files):
    reply = await files.get("/vendor/inter.woff2", headers={"accept-encoding": "gzip"})
    assert reply.content == (WEB / "vendor" / "inter.woff2").read_bytes()
    assert reply.headers["content-type"] == "font/woff2"
    assert "vary" not in reply.headers


async def test_head_is_get_without_the_content(files):
    headers = {"accept-encoding": "gzip"}
    got, head = await files.get("/", headers=headers), await files.head("/", headers=headers)
    assert head.content == b""
    assert {**head.headers, "x-request-id": ""} == {**got.headers, "x-request-id": ""}


async def test_another_method_is_told_what_there_is(files):
    reply = await files.post("/app.js")
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_the_page_starts_with_one_program_and_one_style_sheet():
    page = (WEB / "index.html").read_text()
    assert re.findall(r'<script[^>]* src="([^"]+)"', page) == ["page.min.js"]
    assert re.findall(r'<link rel="stylesheet" href="([^"]+)"', page) == ["page.min.css"]
    program = (WEB / "page.min.js").read_text()
    assert not re.search(r"\bimport\s*[{*\"]", program)
    # By those who need it only: a language's words, the chart's library.
    apart = {"./words.de.js", "./words.zh.js", "./vendor/uplot.js"}
    assert set(re.findall(r'import\("([^"]+)"\)', program)) == apart
    assert "uPlot=function" not in program


def test_what_browsers_load_is_made_of_the_sources_as_they_are():
    assert stale() == [], "python -m scripts.page"


@pytest.mark.slow
def test_and_by_nothing_else_than_esbuild(tmp_path):
    build(tmp_path)
    for name in sources():
        assert (tmp_path / name).read_bytes() == (WEB / name).read_bytes()
