"""What happens to clients that hold something when their process forks or ends."""

import atexit
import logging
import os
import weakref
from typing import Protocol

_log = logging.getLogger("interlock")


class Holder(Protocol):
    """A client that holds something for its process."""

    def close(self) -> None:
        """Give everything back."""

    def forked(self) -> None:
        """Forget everything: this is a child process, and its parent holds it."""


_holders: "weakref.WeakSet[Holder]" = weakref.WeakSet()


def watch_process(holder: Holder) -> None:
    """Have a client told when its process has been forked or ends. Cheap to repeat."""
    _holders.add(holder)
    # Not at import: a forked child of multiprocessing begins by forgetting its parent's hooks.
    atexit.unregister(_close_all)
    atexit.register(_close_all)


def _close_all() -> None:
    for holder in list(_holders):
        try:
            holder.close()
        except Exception:  # noqa: BLE001 - the others are to be closed too
            _log.exception("a client could not be closed at the end of the process")


def _forked() -> None:
    for holder in list(_holders):
        holder.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
