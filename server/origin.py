"""Whether a request was made by another site's page, through a visitor's browser."""

from urllib.parse import urlsplit

from starlette.requests import Request


def from_another_site(request: Request) -> bool:
    """Return whether a browser says that another site made this request.

    https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site, and `Origin`
    where a browser does not send it. Programs send neither.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")
