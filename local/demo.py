"""`make demo` and `make demo-check`."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from interlock import LockClient, client_config
from interlock.receipts import ReceiptVerifier
from local import STATE
from local.application import Application, application
from local.emulator import PREFERRED_PORT, REGION
from local.instances import Fleet, Instance
from local.processes import ProcessFailed, stop_leftovers, stop_own
from local.progress import Progress
from local.requests import Answer, request
from local.stopping import Stopped, stop_on_signals
from server.claims import DATA
from server.leader import LEADER

COUNTER = "demo"
_CEILING = 1_000_000
_CHECK_EVERY = 1.0
_ELECTION_TIMEOUT = 30.0
_CREATED = (200, 201)
_FORGED = "eyJhbGciOiJub25lIn0=.eyJzdWIiOiJhbGljZSIsImdyb3VwcyI6WyJhZG1pbmlzdHJhdG9yIl19."
_SEEDS: tuple[tuple[str, dict[str, int], int], ...] = (
    ("seats-sold", {"floor": 0, "ceiling": 200}, 187),
    ("waiting-list", {"floor": 0, "ceiling": 50}, 23),
    ("full-house", {"floor": 0, "ceiling": 5}, 5),
    ("page-views", {"shards": 4}, 1204),
)


class CheckFailed(Exception):
    """The application runs but does not count as it should."""


def run(
    *,
    instances: int,
    check: bool,
    containers: bool = False,
    preferred_port: int = PREFERRED_PORT,
    state: Path = STATE,
) -> None:
    """Deploy and run; with `check` count once and stop, else stay up until Ctrl-C or SIGTERM.

    Raises `CheckFailed`, `ProcessFailed` and, where it is told to stop before it is up, `Stopped`.
    Whatever was started is stopped in every case.
    """
    progress = Progress()
    with deployed(
        instances=instances,
        containers=containers,
        preferred_port=None if check else preferred_port,
        state=state,
        progress=progress,
    ) as running:
        with progress.step("count through every tier"):
            value = count(running, times=3 * instances)
        with progress.step("sign in, and change nothing without the right"):
            check_roles(running)
        with progress.step("sign receipts for who made the change"):
            check_receipts(running)
        progress.say(f"  ready after {progress.elapsed:.1f} s; counter {COUNTER!r} is {value}")
        if not check:
            _stay_until_told(running, progress)


@contextmanager
def deployed(
    *,
    instances: int,
    containers: bool,
    state: Path,
    progress: Progress,
    preferred_port: int | None = None,
) -> Iterator[Application]:
    """Run the application for a person at a terminal: signals end it, leftovers are removed."""
    stop_on_signals()
    for name in stop_leftovers(state / "run"):
        progress.say(f"  Stopped {name}, left by an earlier run.")
    try:
        with application(
            instances=instances,
            containers=containers,
            progress=progress,
            preferred_port=preferred_port,
            state=state,
        ) as running:
            yield running
    finally:
        stop_own(state / "run")


def count(running: Application, *, times: int) -> int:
    """Increment through balancer, service, API, function and table; return the value read back.

    Raises `CheckFailed` if any answer, or the value in the end, is not the expected one.
    """
    counter, alice = f"/api/counters/{COUNTER}", running.administrator
    created = alice.request("PUT", counter, {"ceiling": _CEILING})
    if created.status not in _CREATED:
        raise CheckFailed(f"PUT {counter}: {created.status} {created.content!r}")
    expected = 0
    for amount in range(1, times + 1):
        expected += amount
        answer = alice.request("POST", f"{counter}/increment", {"amount": amount})
        if answer.status != _CREATED[0] or answer.json()["value"] != expected:
            raise CheckFailed(
                f"increment by {amount}: expected {expected}, got {answer.status} "
                f"{answer.content!r}"
            )
    read = alice.request("GET", counter)
    if read.status != _CREATED[0] or read.json()["value"] != expected:
        raise CheckFailed(f"expected {expected}, read {read.status} {read.content!r}")
    return expected


def check_roles(running: Application) -> None:
    """Prove that each role may do what is its own, and that a stranger may do nothing.

    The stranger shows forged claims too, to the load balancer and to an instance past it. Raises
    `CheckFailed`.
    """
    counter, alice, stranger = f"/api/counters/{COUNTER}", running.administrator, running.stranger
    before = alice.request("GET", counter).content
    bob = stranger.signed_in("bob")
    forged = {DATA: _FORGED, "x-amzn-oidc-identity": "local|alice", **_forged_session()}
    instance = running.fleet.instances[0].url
    changes: tuple[tuple[str, str, object], ...] = (
        ("PUT", counter, {"ceiling": 1}),
        ("POST", f"{counter}/increment", {"amount": 1}),
        ("POST", f"{counter}/reset", {}),
        ("POST", "/api/transfers", {"from": COUNTER, "to": "seats-sold", "amount": 1}),
        ("DELETE", counter, None),
    )
    for method, path, body in changes:
        _expect(403, bob.request(method, path, body), f"bob: {method} {path}")
        _expect(401, stranger.request(method, path, body), f"a stranger: {method} {path}")
        answer = stranger.request(method, path, body, headers=forged)
        _expect(401, answer, f"a stranger with forged claims: {method} {path}")
        answer = request(method, instance + path, body, headers=forged)
        _expect(401, answer, f"a stranger past the load balancer: {method} {path}")
    _expect(200, bob.request("GET", counter), "bob reads")
    keys = stranger.request("GET", "/api/.well-known/jwks.json")
    _expect(200, keys, "a stranger reads the public keys")
    after = alice.request("GET", counter).content
    if after != before:
        raise CheckFailed(f"something was changed: {before!r} became {after!r}")
    carol = stranger.signed_in("carol")
    for deed in ("increment", "decrement"):
        _expect(200, carol.request("POST", f"{counter}/{deed}", {"amount": 1}), f"carol: {deed}")
    for method, path, body in (changes[0], changes[2], changes[4]):
        _expect(403, carol.request(method, path, body), f"carol: {method} {path}")


def check_receipts(running: Application) -> None:
    """Prove that the receipt of a change names who made it, whatever the caller says.

    Raises `CheckFailed`.
    """
    counter, stranger = f"/api/counters/{COUNTER}", running.stranger
    keys = stranger.request("GET", "/api/.well-known/jwks.json").json()
    verifier = ReceiptVerifier(keys, issuer="interlock-local")
    other = {"x-interlock-subject": "local|another"}
    for person in (running.administrator, stranger.signed_in("carol")):
        for deed in ("increment", "decrement"):
            answer = person.request("POST", f"{counter}/{deed}", {"amount": 1}, headers=other)
            _expect(200, answer, f"{person.name}: {deed}")
            subject = verifier.verify(answer.json()["receipt"]).subject
            if subject != f"local|{person.name}":
                raise CheckFailed(f"{person.name}: the receipt of a {deed} names {subject}")


def _expect(status: int, answer: Answer, what: str) -> None:
    if answer.status != status:
        raise CheckFailed(f"{what}: expected {status}, got {answer.status} {answer.content!r}")


def _forged_session() -> dict[str, str]:
    """Return a cookie as the emulator's load balancer would write it, were it not encrypted."""
    session = {"claims": {"sub": "local|alice", "groups": ["administrator"]}, "exp": 1 << 40}
    text = base64.urlsafe_b64encode(json.dumps(session).encode()).decode()
    return {"Cookie": f"AWSELBAuthSessionCookie-0={text}"}


def _stay_until_told(running: Application, progress: Progress) -> None:
    try:
        _seed_counters(running)
        _print_help(running, progress)
        _watch(running, progress)
    except Stopped:
        progress.say("\n  Stopping ...")


def exports(running: Application) -> dict[str, str]:
    """Return the variables by which a terminal's AWS SDKs, and `interlock`, use the application."""
    return {
        "INTERLOCK_API_URL": running.api_url,
        "INTERLOCK_API_KEY": running.api_key,
        "AWS_ENDPOINT_URL": running.emulator.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,  # boto3 looks at this one alone
    }


def _print_help(running: Application, progress: Progress) -> None:
    signed = f"--aws-sigv4 aws:amz:{REGION}:execute-api --user test:test"
    shell = "\n               ".join(
        f"export {name}={value}" for name, value in exports(running).items()
    )
    left_out = "\n".join(f"    {name}" for name in running.deployment.left_out) or "    nothing"
    progress.say(
        f"""
  Web client   {running.web_address}
  Sign in      as alice, who may do everything, carol, who may count, or bob, who may look:
               one click, no password
  Programs     curl -X POST {signed} -H 'x-api-key: {running.api_key}' \\
                 -H 'content-type: application/json' -d '{{"amount": 1}}' \\
                 {running.api_url}/counters/{COUNTER}/increment
  Command      {shell}
               .venv/bin/interlock counter get {COUNTER}
  A lock       .venv/bin/interlock --table {running.deployment.outputs["TableName"]} \\
                 locks run demo -- sleep 60        # the page's Locks view shows it
  Table        {running.deployment.outputs["TableName"]}
  Logs         {running.fleet.logs}

  Left out, as the emulator does not know it:
{left_out}
    TLS from the load balancer to the instances
"""
    )


def _watch(running: Application, progress: Progress) -> None:
    """Replace the instances that end, as Auto Scaling would, and say what happens."""
    shown = _show_leader(running, progress)
    progress.say("\n  Stop everything with Ctrl-C.")
    emulator = running.emulator.process
    while emulator.returncode is None:
        for instance in look(running.fleet, progress.say):
            if instance.name == shown:
                shown = _show_leader(running, progress, but_not=shown)
        time.sleep(_CHECK_EVERY)
    raise ProcessFailed(f"the emulator has ended; end of {emulator.log}:\n{emulator.tail()}")


def look(fleet: Fleet, say: Callable[[str], None]) -> list[Instance]:
    """Say which instances have left and which have come back; return those that have left.

    Another one is started in the place of each that has ended.
    """
    paused = list(fleet.unhealthy)
    left = fleet.check()
    for instance in paused:
        if instance in fleet.instances and instance not in fleet.unhealthy:
            say(f"\n  {instance.name} answers again: it gets requests again.")
    for instance in left:
        ended = instance.process.returncode is not None
        what = "has ended" if ended else "does not answer"
        say(f"\n  {instance.name} {what}: it gets no more requests.")
        if ended:
            fresh = fleet.start()
            fleet.admit(fresh)
            say(f"  {fresh.name} was started in its place.")
    return left


def _show_leader(running: Application, progress: Progress, *, but_not: str = "") -> str:
    """Wait until an instance leads and say which, and the ways to see another take over."""
    began = time.monotonic()
    while time.monotonic() < began + _ELECTION_TIMEOUT:
        leader = _leader(running)
        if leader is not None and leader.name != but_not:
            pid, after = leader.pid, f" after {time.monotonic() - began:.1f} s"
            progress.say(
                f"""
  {leader.name} leads{after if but_not else ""}. See another take over, on the page's Cluster view:
    kill {pid:<8}        it resigns: the next leads at once
    kill -9 {pid:<8}     it dies: the next leads when the lease is over
    kill -STOP {pid:<8}  it is paused: the same, and once you let it go on
    kill -CONT {pid:<8}  it finds that it leads no longer, and adds nothing"""
            )
            return leader.name
        time.sleep(0.2)
    progress.say("  No instance leads yet; see the instances' logs.")
    return ""


def _leader(running: Application) -> Instance | None:
    """Return who leads, as the table says; None while the election goes on."""
    table = running.deployment.outputs["TableName"]
    client = running.emulator.client("dynamodb", config=client_config())
    with LockClient(table, client=client) as locks:
        record = locks.inspect(LEADER)
    if record is None or not record.held:
        return None
    return next((each for each in running.fleet.instances if each.name == record.owner), None)


def _seed_counters(running: Application) -> None:
    """Make the counters that a visitor finds."""
    for name, bounds, value in _SEEDS:
        counter = f"/api/counters/{name}"
        running.administrator.request("PUT", counter, bounds)
        running.administrator.request("POST", f"{counter}/increment", {"amount": value})
