"""The other instances of this service, as Cloud Map knows them.

https://docs.aws.amazon.com/cloud-map/latest/api/API_DiscoverInstances.html
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from server.beside import beside
from server.membership import Membership

LOOK_EVERY = 15.0
"""Seconds between two questions who is there: until then the pages of a new one look alone."""
MOST = 1000
"""Members that one answer of Cloud Map may hold, and the quota of a service."""

_LEAVING = 2.0
_ANYWHERE = ("192.0.2.1", 9)  # no machine has it: RFC 5737
_log = logging.getLogger("server.members")

Connect = Callable[[], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Member:
    """One instance, and where it takes hints."""

    name: str
    address: str
    port: int


class Members:
    """Knows the members of the service; registers this one, `own`, where nothing else does.

    `connect` opens a client of Cloud Map. Whatever fails is logged and tried again: until then
    those that were found last are the members.
    """

    def __init__(self, membership: Membership, own: Member, connect: Connect) -> None:
        self._membership = membership
        self._own = own
        self._connect = connect
        self._client: Any = None
        self._gone: set[str] = set()
        self.found: tuple[Member, ...] | None = None
        """All members that Cloud Map gave last, this one too; None before its first answer."""

    @property
    def others(self) -> tuple[Member, ...]:
        """The members but this one."""
        return tuple(each for each in self.found or () if each.name != self._own.name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be a member, and keep looking for the others, for as long as the context is open."""
        async with beside(self._take_part(), "members"):
            yield

    def forget_all_but(self, present: Collection[str]) -> None:
        """Take the others out of Cloud Map at the next look: they ended without a word.

        Never waits. One that is there all the same registers itself again when it looks next.
        """
        if self._membership.registry is not None:
            self._gone = {each.name for each in self.others}.difference(present)

    async def _take_part(self) -> None:
        while True:
            try:
                # In the background: no request waits for the client.
                async with self._connect() as self._client:
                    await self._keep_looking()
            except Exception:  # noqa: BLE001 - without Cloud Map pages look by themselves
                _log.exception("Cloud Map has no client; it is tried again")
            finally:
                self._client = None
            await asyncio.sleep(LOOK_EVERY)

    async def _keep_looking(self) -> None:
        try:
            while True:
                try:
                    await self._look()
                except Exception:  # noqa: BLE001 - the loop outlives every failure of Cloud Map
                    _log.exception("the members could not be found")
                await asyncio.sleep(LOOK_EVERY)
        finally:
            if self._membership.registry is not None:
                with suppress(Exception):
                    async with asyncio.timeout(_LEAVING):
                        await self._deregister(self._own.name)

    async def _look(self) -> None:
        gone, self._gone = self._gone, set()
        for name in gone:
            _log.info("a member is gone", extra={"fields": {"member": name}})
            try:
                await self._deregister(name)
            except Exception as error:  # noqa: BLE001 - it may have done so itself, or be about to
                _log.info("it is not taken out: %s", error, extra={"fields": {"member": name}})
        answer = await self._client.discover_instances(
            NamespaceName=self._membership.namespace,
            ServiceName=self._membership.service,
            MaxResults=MOST,
            # Also those whose health is not known yet: a hint to one that is ill costs nothing.
            HealthStatus="ALL",
        )
        found = [_member(each, self._own.port) for each in answer["Instances"]]
        self.found = tuple(sorted(filter(None, found), key=lambda member: member.name))
        if self._membership.registry is not None and self._own not in self.found:
            await self._client.register_instance(
                ServiceId=self._membership.registry,
                InstanceId=self._own.name,
                Attributes={
                    "AWS_INSTANCE_IPV4": self._own.address,
                    "AWS_INSTANCE_PORT": str(self._own.port),
                },
            )

    async def _deregister(self, name: str) -> None:
        await self._client.deregister_instance(ServiceId=self._membership.registry, InstanceId=name)


def own_address(host: str) -> str:
    """Return the address by which others reach this instance, which listens on `host`.

    Of all of the machine's own it is the one that what it sends comes from: a UDP socket that is
    connected sends nothing, but has been given one.
    """
    if host != "0.0.0.0":  # noqa: S104 - not bound to here
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        with suppress(OSError):  # without a network no other reaches it
            asked.connect(_ANYWHERE)
        return str(asked.getsockname()[0])


def _member(told: Mapping[str, Any], port: int) -> Member | None:
    """Return a member, None for what has no address. ECS tells the ports of no A record."""
    attributes = told.get("Attributes", {})
    try:
        address = str(ipaddress.IPv4Address(attributes["AWS_INSTANCE_IPV4"]))
        return Member(told["InstanceId"], address, int(attributes.get("AWS_INSTANCE_PORT", port)))
    except (KeyError, ValueError):
        _log.warning("a member has no address", extra={"fields": {"member": str(told)[:200]}})
        return None


@asynccontextmanager
async def cloud_map(region: str) -> AsyncIterator[Any]:
    """Open a client of Cloud Map."""
    # Imported here: it costs more than all the rest of the service's start.
    from aiobotocore.config import AioConfig  # type: ignore[import-untyped]
    from aiobotocore.session import get_session  # type: ignore[import-untyped]

    from interlock import client_config

    config = AioConfig().merge(client_config())
    async with get_session().create_client(
        "servicediscovery", region_name=region, config=config
    ) as client:
        yield client
