"""Clients at a fork, at the end of their process, and after a restored snapshot."""

import atexit
import logging
import os
import weakref
from typing import Protocol

_log = logging.getLogger("interlock")


class Inherited(Protocol):
    """A client whose state must not be shared between a process and its copies."""

    def forked(self) -> None:
        """Forget what is the parent's: this is a forked child, or a restored snapshot."""


class Holder(Inherited, Protocol):
    """A client that holds something for its process."""

    def close(self) -> None:
        """Give everything back."""


_inherited: "weakref.WeakSet[Inherited]" = weakref.WeakSet()
_holders: "weakref.WeakSet[Holder]" = weakref.WeakSet()


def watch_forks(inherited: Inherited) -> None:
    """Call `forked()` in a forked child and after a snapshot was restored. Cheap to repeat."""
    _watch_snapshots()
    _inherited.add(inherited)


def watch_exit(holder: Holder) -> None:
    """Call `close()` when the process ends. Cheap to repeat."""
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


def _copied() -> None:
    for inherited in list(_inherited):
        inherited.forked()


def _watch_snapshots() -> None:
    """Register with Lambda's SnapStart, once, where it is on.

    https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
    """
    if _watched or os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") != "snap-start":
        return
    from snapshot_restore_py import register_after_restore

    register_after_restore(_copied)
    _watched.append(True)


_watched: list[bool] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_copied)
