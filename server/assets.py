"""The web client's files: read once at start, and what is text compressed once."""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server.methods import READS, among

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain; charset=utf-8",
}
"""Of the files that are text. All others are served as they are: fonts are compressed already."""


@dataclass(frozen=True, slots=True)
class _Form:
    """A file's content in one encoding; the tag is that of these bytes."""

    content: bytes
    tag: str
    encoding: str | None = None

    @classmethod
    def of(cls, content: bytes, encoding: str | None = None) -> "_Form":
        digest = hashlib.sha256(content).hexdigest()[:32]
        return cls(content, f'"{digest}"', encoding)


@dataclass(frozen=True, slots=True)
class _File:
    media_type: str
    plain: _Form
    packed: _Form | None

    @classmethod
    def read(cls, path: Path) -> "_File":
        content = path.read_bytes()
        media_type = _TYPES.get(path.suffix)
        if media_type is None:
            guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            return cls(guessed, _Form.of(content), None)
        packed = gzip.compress(content, 9, mtime=0)  # the same bytes, and tag, on each instance
        if len(packed) >= len(content):
            return cls(media_type, _Form.of(content), None)
        return cls(media_type, _Form.of(content), _Form.of(packed, "gzip"))

    def form(self, accepted: str) -> _Form:
        """Return the content in the best encoding that a client accepts."""
        return self.packed if self.packed and _takes_gzip(accepted) else self.plain


class Assets:
    """Answers with the files of a folder; `/` is its index.html.

    Browsers ask each time whether a file has changed, by its strong ETag, and keep their copy.
    """

    def __init__(self, folder: Path) -> None:
        paths = (path for path in folder.rglob("*") if path.is_file())
        self._files = {path.relative_to(folder).as_posix(): _File.read(path) for path in paths}

    async def answer(self, request: Request) -> Response:
        """Answer any method. Raises `HTTPException`: 404 for a file that is not there, 405."""
        file = self._files.get(request.path_params["path"] or "index.html")
        if file is None:
            raise HTTPException(404)
        said = among(READS, request)
        if said is not None:
            return said
        form = file.form(", ".join(request.headers.getlist("accept-encoding")))
        headers = {"cache-control": "no-cache", "etag": form.tag}
        if file.packed:
            headers["vary"] = "accept-encoding"
        if _holds(request.headers.getlist("if-none-match"), form.tag):
            return Response(status_code=304, headers=headers)
        if form.encoding:
            headers["content-encoding"] = form.encoding
        return Response(form.content, headers=headers, media_type=file.media_type)


def _takes_gzip(accepted: str) -> bool:
    """Return whether an Accept-Encoding (RFC 9110, 12.5.3) has gzip with a weight above 0."""
    weights = {}
    for part in accepted.lower().split(","):
        coding, *parameters = (text.strip() for text in part.split(";"))
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        weights["gzip" if coding == "x-gzip" else coding] = weight
    weight = weights.get("gzip", weights.get("*", "0"))
    try:
        return float(weight) > 0
    except ValueError:
        return False


def _holds(lines: list[str], tag: str) -> bool:
    """Return whether an If-None-Match names the tag; it compares weakly (RFC 9110, 13.1.2)."""
    given = [part.strip().removeprefix("W/") for line in lines for part in line.split(",")]
    return tag in given or given == ["*"]
