"""Hooks of Lambda's SnapStart: much is done before the snapshot, nothing random carried over it.

https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
"""

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routes import Services


def hook(services: "Services") -> None:
    """Register what runs before a snapshot and after each restore; nothing where there is none.

    All environments start from one snapshot, with one state of `random`: they would all back off
    for the same "random" while. Connections are none yet, for nothing is sent before the snapshot.
    """
    try:
        from snapshot_restore_py import (
            register_after_restore,
            register_before_snapshot,
        )
    except ImportError:
        return
    if services.receipts is not None:
        register_before_snapshot(services.receipts.prepare)
    register_after_restore(random.seed)
