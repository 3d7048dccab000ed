"""Carry calls over an aiobotocore client."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from interlock._drivers.attempts import attempts_of, date_of, install
from interlock._drivers.clients import fault_of_call, method_name
from interlock._drivers.load import AT_ONCE
from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.faults import NoReply
from interlock._protocol.requests import Call, CallOnce
from interlock._wire import shapes


class ClientTransport:
    """An aiobotocore client, whose own retries are held back where they would do harm."""

    def __init__(self, client: Any) -> None:
        install(client)
        self.client = client
        self.clock = ServiceClock()
        config = getattr(getattr(client, "meta", None), "config", None)
        # aiohttp lets further calls wait for a connection.
        self.at_once = min(AT_ONCE, getattr(config, "max_pool_connections", AT_ONCE))

    async def send(self, call: Call, timeout: float | None) -> Mapping[str, Any]:
        """Return the reply; a call that is still under way when its time is up is cancelled."""
        send = getattr(self.client, method_name(call.operation))
        reply: Mapping[str, Any] | None = None
        sent = self.clock.now()
        with attempts_of(once=isinstance(call, CallOnce)) as attempts:
            try:
                async with asyncio.timeout(timeout) as limit:
                    reply = await send(**call.params)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise NoReply(f"no answer within {timeout:.1f} s") from error
            except (ClientError, BotoCoreError) as error:
                raise fault_of_call(
                    call, error, in_doubt=attempts.in_doubt, disbelieved=attempts.disbelieved
                ) from error
            finally:
                self.clock.learn(date_of(attempts, reply), time.time(), sent)
        if attempts.disbelieved is not None:
            raise NoReply(attempts.disbelieved)
        return shapes.checked(call, reply)
