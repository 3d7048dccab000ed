"""Credentials come from where the SDKs find them, and are renewed ahead of their end."""

import asyncio
import json
import threading
from typing import Any
from urllib.parse import parse_qs

import pytest

from interlock._drivers.awaitable.credentials import CredentialsCache as AwaitableCache
from interlock._drivers.awaitable.wire import WireTransport as AwaitableTransport
from interlock._drivers.blocking.credentials import CredentialsCache as BlockingCache
from interlock._drivers.blocking.wire import WireTransport as BlockingTransport
from interlock._protocol.faults import NotSent, Refused
from interlock._wire.credentials import Credentials
from interlock._wire.renewal import Kept
from interlock._wire.settings import Settings
from tests.wire.endpoint import endpoint

NO_FILES = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
NOW = 1_700_000_000.0
LATER = "2023-11-15T00:13:20Z"  # two hours after
FOUND = {"AccessKeyId": "AKID", "SecretAccessKey": "secret", "Token": "token", "Expiration": LATER}
EXPECTED = Credentials("AKID", "secret", "token", NOW + 7200)


class Blocking:
    """The blocking cache."""

    def __init__(self, environ, clock):
        settings = Settings(NO_FILES | environ)
        opened = BlockingTransport("dynamodb", environ=NO_FILES | environ)._open
        self.cache: Any = BlockingCache(settings, opened, wall_clock=clock)

    def get(self, timeout=5.0):
        return self.cache.get(timeout)

    def idle(self):
        for thread in threading.enumerate():
            if thread.name == "interlock-credentials":
                thread.join(10)

    def close(self):
        self.idle()


class Awaitable:
    """The awaitable cache, on a loop that is kept between two calls."""

    def __init__(self, environ, clock):
        settings = Settings(NO_FILES | environ)
        opened = AwaitableTransport("dynamodb", environ=NO_FILES | environ)._open
        self.cache: Any = AwaitableCache(settings, opened, wall_clock=clock)
        self.runner = asyncio.Runner()

    def get(self, timeout=5.0):
        return self.runner.run(self.cache.get(timeout))

    def idle(self):
        if (task := self.cache._task) is not None:
            self.runner.run(_ended(task))

    def close(self):
        self.runner.close()


async def _ended(task):
    await asyncio.wait({task})


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=[Blocking, Awaitable])
def cache(request, clock):
    """Make a cache of either half for an environment, and end it."""
    made = []

    def make(**environ):
        made.append(request.param(environ, clock))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def service():
    with endpoint() as made:
        yield made


def container(service, **more):
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{service.url}/creds?x=1"} | more


def test_keys_of_the_environment_come_first(cache, service):
    found = cache(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", **container(service)).get()
    assert found == Credentials("a", "b", None)
    found = cache(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_SESSION_TOKEN="c").get()
    assert found == Credentials("a", "b", "c")
    assert service.requests == []


def test_half_a_pair_is_named(cache):
    with pytest.raises(Refused, match="only one of") as refusal:
        cache(AWS_ACCESS_KEY_ID="a").get()
    assert refusal.value.code == "PartialCredentialsError"


def test_a_container_asks_its_agent(cache, service, tmp_path):
    service.answers = [(200, json.dumps(FOUND))] * 2
    made = cache(**container(service, AWS_CONTAINER_AUTHORIZATION_TOKEN="Basic abc"))
    assert made.get() == EXPECTED
    assert made.get() is made.get()
    request = service.requests[0]
    assert (request.method, request.path) == ("GET", "/creds?x=1")
    assert request.headers["authorization"] == "Basic abc"
    token = tmp_path / "token"
    token.write_text("from the file\n")
    file = {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token)}
    assert cache(**container(service, AWS_CONTAINER_AUTHORIZATION_TOKEN="x", **file)).get()
    assert service.requests[1].headers["authorization"] == "from the file"
    assert len(service.requests) == 2


@pytest.mark.parametrize("url", ["http://credentials.example/", "http://10.0.0.1/"])
def test_a_containers_agent_elsewhere_needs_encryption(cache, url):
    with pytest.raises(Refused, match="needs https"):
        cache(AWS_CONTAINER_CREDENTIALS_FULL_URI=url).get()


def test_an_instance_asks_with_a_token_of_its_own(cache, service):
    service.answers = [
        (200, "TOKEN"),
        (200, "my-role\n"),
        (200, json.dumps({"Code": "Success"} | FOUND)),
    ]
    made = cache(AWS_EC2_METADATA_SERVICE_ENDPOINT=service.url)
    assert made.get() == EXPECTED
    first, second, third = service.requests
    assert (first.method, first.path) == ("PUT", "/latest/api/token")
    assert first.headers["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
    assert second.path == "/latest/meta-data/iam/security-credentials/"
    assert third.path == "/latest/meta-data/iam/security-credentials/my-role"
    assert second.headers["x-aws-ec2-metadata-token"] == "TOKEN"
    assert third.headers["x-aws-ec2-metadata-token"] == "TOKEN"


def test_an_instance_without_a_role_has_none(cache, service):
    service.answers = [(200, "TOKEN"), (404, "")]
    with pytest.raises(Refused, match="no role"):
        cache(AWS_EC2_METADATA_SERVICE_ENDPOINT=service.url).get()


def test_where_there_is_nothing_it_is_said(cache):
    with pytest.raises(Refused, match="AWS_EC2_METADATA_DISABLED") as refusal:
        cache(AWS_EC2_METADATA_DISABLED="true").get()
    assert refusal.value.code == "NoCredentialsError"
    with pytest.raises(Refused, match="no metadata service") as refusal:
        cache(AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:1").get()
    assert refusal.value.code == "NoCredentialsError"


def web_identity(service, tmp_path):
    token = tmp_path / "token"
    token.write_text("JWT")
    return {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
        "AWS_ROLE_SESSION_NAME": "me",
        "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL_STS": service.url,
    }


STS = (
    "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
    "<AccessKeyId>AKID</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
    f"<SessionToken>token</SessionToken><Expiration>{LATER}</Expiration></Credentials>"
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
)


def test_a_web_identity_is_exchanged_at_sts(cache, service, tmp_path):
    service.answers = [(200, STS)]
    assert cache(**web_identity(service, tmp_path)).get() == EXPECTED
    form = parse_qs(service.requests[0].body.decode())
    assert form["WebIdentityToken"] == ["JWT"]
    assert form["RoleArn"] == ["arn:aws:iam::1:role/r"]
    assert form["RoleSessionName"] == ["me"]
    assert form["Action"] == ["AssumeRoleWithWebIdentity"]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", Refused),
        (400, "ExpiredTokenException", Refused),
        (400, "IDPCommunicationError", NotSent),
        (503, "ServiceUnavailable", NotSent),
    ],
)
def test_a_refusal_of_sts_is_told_from_a_failure_that_passes(  # noqa: PLR0917 - as given
    cache, service, tmp_path, status, code, kind
):
    error = (
        f"<ErrorResponse><Error><Code>{code}</Code><Message>why</Message></Error></ErrorResponse>"
    )
    service.answers = [(status, error)]
    with pytest.raises(kind, match=code):
        cache(**web_identity(service, tmp_path)).get()


@pytest.mark.parametrize(
    "answers",
    [
        [(500, "busy")],
        [(200, "<html>")],
        [(200, json.dumps({"Code": "Failed"}))],
        [(200, json.dumps(FOUND | {"SecretAccessKey": None}))],
        [(200, json.dumps(FOUND | {"Expiration": "soon"}))],
        [(200, "[]")],
        [None],
    ],
)
def test_a_failed_fetch_passes_and_is_named(cache, service, answers):
    service.answers = [*answers, (200, json.dumps(FOUND))]
    made = cache(**container(service))
    with pytest.raises(NotSent, match="no credentials at present"):
        made.get()
    assert made.get() == EXPECTED


def test_credentials_are_renewed_ahead_of_their_end_and_meanwhile_used(cache, service, clock):
    other = FOUND | {"AccessKeyId": "NEXT", "Expiration": "2023-11-15T06:13:20Z"}
    service.answers = [(200, json.dumps(FOUND)), (200, json.dumps(other))]
    made = cache(**container(service))
    first = made.get()
    clock.now += 7200 - 901
    assert made.get() is first
    assert len(service.requests) == 1
    clock.now += 2
    assert made.get() is first
    made.idle()
    assert made.get().access_key == "NEXT"
    assert len(service.requests) == 2


def test_a_failed_renewal_is_no_error_as_long_as_they_are_good(cache, service, clock, caplog):
    service.answers = [(200, json.dumps(FOUND)), (500, "busy"), (500, "busy"), (500, "busy")]
    made = cache(**container(service))
    first = made.get()
    clock.now += 7200 - 60
    for _ in range(3):
        assert made.get() is first
        made.idle()
    assert len(service.requests) == 2
    assert "still good" in caplog.text
    clock.now += 11
    assert made.get() is first
    made.idle()
    assert len(service.requests) == 3
    clock.now += 60
    with pytest.raises(NotSent, match="500"):
        made.get()


def test_credentials_that_were_rejected_are_fetched_again(cache, service):
    service.answers = [(200, json.dumps(FOUND))] * 2
    made = cache(**container(service))
    first = made.get()
    made.cache.rejected(first)
    assert made.get() is not first
    made.cache.rejected(first)
    made.get()
    assert len(service.requests) == 2


def test_an_agent_that_hangs_costs_no_more_than_the_call_has(cache, service):
    service.answers = ["hang"]
    made = cache(**container(service))
    with pytest.raises(NotSent):
        made.get(0.1)


def test_a_profile_is_left_to_botocore(cache, tmp_path, monkeypatch):
    config = tmp_path / "config"
    found = '{"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "s"}'
    script = tmp_path / "credentials.sh"
    script.write_text(f"#!/bin/sh\necho '{found}'\n")
    script.chmod(0o755)
    config.write_text(f"[profile process]\ncredential_process = {script}\n")
    environ = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "process"}
    for name, value in (environ | {"AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    found = cache(**environ).get()
    assert (found.access_key, found.secret_key) == ("P", "s")


def test_a_profile_that_does_not_exist_is_named(cache, monkeypatch):
    for name, value in (NO_FILES | {"AWS_PROFILE": "nobody"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(Refused, match="nobody") as refusal:
        cache(AWS_PROFILE="nobody").get()
    assert refusal.value.code == "ProfileNotFound"


def test_short_lived_credentials_are_renewed_for_the_last_quarter_of_their_life():
    kept = Kept.of(Credentials("a", "b", "c", NOW + 100), NOW)
    assert not kept.due(NOW + 74)
    assert kept.due(NOW + 76)
    assert not kept.due(NOW + 77)
    assert kept.good(NOW + 94)
    assert not kept.good(NOW + 96)


def test_secrets_are_not_shown():
    assert "secret" not in repr(EXPECTED)
