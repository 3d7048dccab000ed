"""Names of hosts as addresses, within a time limit, which the system's resolver does not know."""

import socket
import threading
from collections.abc import Callable
from typing import TypeAlias

Address: TypeAlias = tuple[int, str, int]
"""A socket's family, and the address and port to connect to."""


def literal(host: str, port: int) -> list[Address] | None:
    """Return the address of a host that is given as one, None for a name."""
    try:
        return _found(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        return None


def look_up(
    host: str, port: int, done: Callable[[list[Address] | None, OSError | None], None]
) -> None:
    """Resolve a name on a thread of its own, which calls `done` with its addresses or an error.

    On the caller's thread if there can be no other.
    """

    def work() -> None:
        try:
            found = _found(host, port)
        except (OSError, UnicodeError) as error:
            done(None, error if isinstance(error, OSError) else OSError(str(error)))
        else:
            done(found, None)

    try:
        threading.Thread(target=work, name="interlock-resolver", daemon=True).start()
    except RuntimeError:
        work()


def _found(host: str, port: int, flags: int = 0) -> list[Address]:
    # In bytes as it is: a name in a string is encoded by a module that takes long to import.
    name = host.encode() if host.isascii() else host
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=flags)
    return [(int(family), str(address[0]), port) for family, _, _, _, address in found]
