"""Carry calls over a boto3 client."""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from interlock._drivers.attempts import attempts_of, install
from interlock._drivers.blocking.workers import Workers
from interlock._drivers.clients import fault_of, method_name
from interlock._drivers.lifecycle import watch_forks
from interlock._protocol.faults import NoReply
from interlock._protocol.requests import Call, CallOnce
from interlock._wire import shapes


class ClientTransport:
    """A boto3 client, whose own retries are held back where they would do harm.

    botocore knows no time limit for a whole call: what has one is made on another thread, and the
    caller stops waiting for it when its time is up.
    """

    def __init__(self, client: Any) -> None:
        install(client)
        self.client = client
        self.skew = 0.0
        self._workers = Workers()
        self._inherited = False
        watch_forks(self)

    def forked(self) -> None:
        """Share no connection with the parent process, or with another copy of a snapshot."""
        self._inherited = True
        self._workers = Workers()

    def send(self, call: Call, timeout: float | None) -> Mapping[str, Any]:
        """Return the reply; a call that is still under way when its time is up is left alone."""
        if self._inherited:
            # Not in the hook itself: a lock of the pool may have been held by another thread.
            self._inherited = False
            close = getattr(self.client, "close", None)
            if close is not None:
                close()  # ends the idle connections; the client opens new ones
        if timeout is None:
            return self._send(call)
        return self._workers.run(partial(self._send, call), timeout)

    def _send(self, call: Call) -> Mapping[str, Any]:
        send = getattr(self.client, method_name(call.operation))
        with attempts_of(once=isinstance(call, CallOnce)) as attempts:
            try:
                reply: Mapping[str, Any] = send(**call.params)
            except (ClientError, BotoCoreError) as error:
                raise fault_of(error, in_doubt=attempts.in_doubt) from error
        if attempts.date is not None:
            self.skew = attempts.date - time.time()
        if attempts.disbelieved is not None:
            raise NoReply(attempts.disbelieved)
        return shapes.checked(call, reply)
