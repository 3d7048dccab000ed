"""`python -m server`: runs one instance until SIGTERM or SIGINT."""

import logging
import os
import socket
import sys
from functools import partial

import uvicorn
from starlette.applications import Starlette

from interlock.aio.signing import Mac
from interlock.errors import InvalidValue
from interlock.metrics import EmbeddedMetrics
from server import logs
from server.application import create_application
from server.asking import asked
from server.certificate import server_context
from server.claims import Claims
from server.group import Group
from server.hint_keys import HintKeys
from server.hints import Hints
from server.history import History
from server.leader import Leader
from server.locks import Locks
from server.members import Member, Members, cloud_map, own_address
from server.protocol import LARGEST_HEAD, Protocol
from server.reading import Reading
from server.sampling import Sampling
from server.settings import Settings, SettingsError
from server.sigv4 import RoleSigner
from server.store import Store
from server.upstream import Upstream

KEEP_ALIVE = 75
"""Seconds for which an idle connection is kept."""


class Server(uvicorn.Server):
    """Ends the event streams first: they would otherwise hold the shutdown to its limit."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, let the requests in flight finish, then close."""
        app = self.config.app
        if isinstance(app, Starlette):
            app.state.events.close()
        await super().shutdown(sockets)


def build(settings: Settings) -> Starlette:
    """Put the service together."""
    upstream = Upstream(
        settings.api_url,
        RoleSigner(settings.region),
        timeout=settings.timeout,
        api_key=settings.api_key,
    )
    reading = Reading(upstream)
    store = leader = None
    if settings.table:
        metrics = EmbeddedMetrics()
        store = Store(settings.table, settings.region)
        sampling = Sampling(
            reading,
            History(store, settings.keep_history, metrics=metrics),
            every=settings.sample_every,
            remember=3 * settings.lease,
        )
        leader = Leader(
            store,
            settings.instance_id,
            settings.lease,
            watch=sampling.watch,
            duty=sampling.record,
            metrics=metrics,
        )
    members = hints = None
    if settings.membership:
        own = Member(settings.instance_id, own_address(settings.host), settings.port)
        members = Members(settings.membership, own, partial(cloud_map, settings.region))
        hints = _hints(settings.instance_id, members, settings.membership.key_id)
    group = Group(settings, store, leader, members=members)
    claims = Claims(settings.trust) if settings.trust else None
    locks = Locks(settings, store)
    return create_application(
        settings, upstream, reading, group, locks=locks, claims=claims, hints=hints
    )


def _hints(own: str, members: Members, key_id: str) -> Hints | None:
    """Return what sends hints and takes them; None where their key has no client, as by a proxy."""
    try:
        return Hints(own, members, HintKeys(Mac(key_id)))
    except InvalidValue as error:
        logging.getLogger("server").warning("no hints are sent or taken: %s", error)
        return None


def main() -> int:
    """Run; return the exit status."""
    try:
        settings = Settings.from_environment(asked(os.environ))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    logs.configure(settings.log_level, settings.instance_id)
    Server(configuration(settings, build(settings))).run()
    return 0


def configuration(settings: Settings, app: Starlette) -> uvicorn.Config:
    """Return how uvicorn serves `app`."""
    return uvicorn.Config(
        app,
        # On h11, which is pure Python and strict. The service waits far more than it parses.
        http=Protocol,
        h11_max_incomplete_event_size=LARGEST_HEAD,
        # Nothing here speaks WebSocket: an upgrade that is asked for is left, as HTTP has it.
        ws="none",
        host=settings.host,
        port=settings.port,
        ssl_context_factory=(
            (lambda *_: server_context(settings.instance_id)) if settings.tls else None
        ),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        # Above the load balancer's idle timeout of 60 s: it must be the one that closes, or a
        # request that it sends meanwhile is lost.
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(settings.drain),
    )


if __name__ == "__main__":
    sys.exit(main())
