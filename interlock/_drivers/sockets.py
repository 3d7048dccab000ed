"""Options and checks of the system's sockets, for both halves."""

import select
import socket

from interlock._wire import limits


def prepare(connected: socket.socket) -> None:
    """Send requests at once, and notice a peer that is gone."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in limits.KEEP_ALIVE:
        if (option := getattr(socket, name, None)) is not None:  # not all systems have them
            connected.setsockopt(socket.IPPROTO_TCP, option, value)


def readable(connected: socket.socket) -> bool:
    """Return whether something has come, be it the end of the connection or its failure."""
    if not hasattr(select, "poll"):  # on Windows, where this one has no limit
        return bool(select.select([connected], [], [], 0)[0])
    poll = select.poll()
    poll.register(connected.fileno(), select.POLLIN)
    return bool(poll.poll(0))
