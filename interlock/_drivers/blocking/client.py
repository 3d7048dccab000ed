"""Carry calls over a boto3 client."""

import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from interlock._drivers.attempts import attempts_of, date_of, install
from interlock._drivers.blocking.workers import Workers
from interlock._drivers.clients import fault_of_call, method_name
from interlock._drivers.lifecycle import watch_forks
from interlock._drivers.load import AT_ONCE
from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.faults import NoReply
from interlock._protocol.requests import Call, CallOnce
from interlock._wire import shapes


class ClientTransport:
    """A boto3 client, whose own retries are held back where they would do harm.

    botocore knows no time limit for a whole call: what has one is made on another thread, and the
    caller stops waiting for it when its time is up.
    """

    at_once = AT_ONCE  # botocore opens further connections beyond those that it keeps

    def __init__(self, client: Any) -> None:
        install(client)
        self.client = client
        self.clock = ServiceClock()
        self._workers = Workers()
        self._inherited: threading.Lock | None = None  # until the parent's connections are closed
        watch_forks(self)

    def forked(self) -> None:
        """Share no connection with the parent process, or with another copy of a snapshot."""
        self.clock.forget()
        self._inherited = threading.Lock()
        self._workers = Workers()

    def send(self, call: Call, timeout: float | None) -> Mapping[str, Any]:
        """Return the reply; a call that is still under way when its time is up is left alone."""
        if (inherited := self._inherited) is not None:
            self._disown(inherited)
        if timeout is None:
            return self._send(call)
        return self._workers.run(partial(self._send, call), timeout)

    def _disown(self, inherited: threading.Lock) -> None:
        """Close what this process has inherited; no thread makes a call before that is done.

        Not in the hook itself: a lock of the pool may have been held by another thread.
        """
        with inherited:
            if self._inherited is not inherited:  # another thread was quicker
                return
            close = getattr(self.client, "close", None)
            if close is not None:
                close()  # ends the idle connections; the client opens new ones
            self._inherited = None

    def _send(self, call: Call) -> Mapping[str, Any]:
        send = getattr(self.client, method_name(call.operation))
        reply: Mapping[str, Any] | None = None
        sent = self.clock.now()
        with attempts_of(once=isinstance(call, CallOnce)) as attempts:
            try:
                reply = send(**call.params)
            except (ClientError, BotoCoreError) as error:
                raise fault_of_call(
                    call, error, in_doubt=attempts.in_doubt, disbelieved=attempts.disbelieved
                ) from error
            finally:
                self.clock.learn(date_of(attempts, reply), time.time(), sent)
        if attempts.disbelieved is not None:
            raise NoReply(attempts.disbelieved)
        return shapes.checked(call, reply)
