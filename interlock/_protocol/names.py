"""Names of locks and counters: what they may be made of, and the one spelling of each."""

import unicodedata
from collections.abc import Callable

from interlock._protocol.kinds import written
from interlock.errors import InterlockError

_JOINERS = "\u200c\u200d"  # needed to write Persian, or a family of emoji


def spelled(
    name: str, refusal: Callable[[str, str], InterlockError], *, apart: str, most: int
) -> str:
    """Return a name of at most so many bytes in its one spelling (Unicode NFC).

    Raises what `refusal` makes of the name and the reason; `apart` is what a '#' is for.
    """
    if not isinstance(name, str):
        raise refusal(written(name), "a name is a string")
    if not name:
        raise refusal(name, "a name is a string of at least one character")
    if "#" in name:
        raise refusal(name, f"'#' is not allowed, which sets apart {apart}")
    if any(not char.isprintable() and char not in _JOINERS for char in name):
        raise refusal(name, "unprintable characters are not allowed")
    if not name.isascii():
        name = unicodedata.normalize("NFC", name)
    if len(name.encode()) > most:
        raise refusal(name, f"longer than {most} bytes of UTF-8")
    return name
