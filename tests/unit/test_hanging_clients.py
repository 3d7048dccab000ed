"""Clients that were passed in, and whose calls may outlast what they serve: told when made."""

import asyncio
import re
import warnings
from datetime import timedelta
from typing import Any

import boto3
import pytest
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]
from aiobotocore.session import get_session  # type: ignore[import-untyped]
from botocore.config import Config

from interlock import CounterClient, LockClient, TransactionClient, aio, client_config
from interlock.aio import signing as awaitable_signing
from interlock.signing import DelegatedSigner, KmsVerifier, Mac, Signer

PLACE: dict[str, Any] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "a",
    "aws_secret_access_key": "b",
}
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
MAKERS = [
    ("dynamodb", "lease of 20 s", lambda c, half: half.LockClient("t", client=c)),
    ("dynamodb", "timeout of 15 s", lambda c, half: half.TransactionClient("t", client=c)),
    ("dynamodb", "timeout of 5 s", lambda c, half: half.CounterClient("t", client=c)),
    ("kms", "timeout of 5 s", lambda c, half: half.Signer(KEY, client=c)),
    ("kms", "timeout of 5 s", lambda c, half: half.DelegatedSigner(KEY, client=c)),
    ("kms", "timeout of 5 s", lambda c, half: half.Mac(KEY, client=c)),
    ("kms", "timeout of 5 s", lambda c, half: half.KmsVerifier([KEY], client=c)),
]
TWICE = Config(connect_timeout=5, read_timeout=6, retries={"total_max_attempts": 2})


class Blocking:
    """The blocking half."""

    LockClient, TransactionClient, CounterClient = LockClient, TransactionClient, CounterClient
    Signer, DelegatedSigner, Mac, KmsVerifier = Signer, DelegatedSigner, Mac, KmsVerifier

    @staticmethod
    def make(service, config, maker):
        maker(boto3.client(service, config=config, **PLACE), Blocking)


class Awaitable:
    """The awaitable half."""

    LockClient, TransactionClient = aio.LockClient, aio.TransactionClient
    CounterClient = aio.CounterClient
    Signer, DelegatedSigner = awaitable_signing.Signer, awaitable_signing.DelegatedSigner
    Mac, KmsVerifier = awaitable_signing.Mac, awaitable_signing.KmsVerifier

    @staticmethod
    def make(service, config, maker):
        async def making():
            given = AioConfig().merge(config) if config is not None else None
            async with get_session().create_client(service, config=given, **PLACE) as client:
                maker(client, Awaitable)

        asyncio.run(making())


@pytest.fixture(params=[Blocking, Awaitable], ids=["blocking", "awaitable"])
def half(request):
    return request.param


def told(half, service, config, maker):
    """Return the warnings of making a client of the library."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        half.make(service, config, maker)
    return seen


@pytest.mark.parametrize(("service", "bound", "maker"), MAKERS)
def test_the_longest_call_is_computed_from_all_settings(half, service, bound, maker):
    (warning,) = told(half, service, TWICE, maker)
    text = str(warning.message)
    assert "may hang for 22 s (5 s for a connection and 6 s for an answer, 2 attempts)" in text
    assert f"longer than the {bound}" in text
    assert "config=interlock.client_config()" in text


@pytest.mark.parametrize(
    ("service", "config", "said"),
    [
        ("dynamodb", None, "1200 s .* 10 attempts"),  # boto3's legacy mode has its own for DynamoDB
        ("kms", None, "600 s .* 5 attempts"),
        ("dynamodb", Config(retries={"mode": "standard"}), "360 s .* 3 attempts"),
        ("kms", Config(retries={"max_attempts": 1}), "240 s .* 2 attempts"),
        (
            "kms",
            Config(read_timeout=None, retries={"total_max_attempts": 1}),
            "for ever .60 s .* and ever for an answer, 1 attempt.",
        ),
    ],
)
def test_what_is_not_set_is_as_the_sdk_has_it(half, service, config, said):
    maker = next(maker for name, _, maker in MAKERS if name == service)
    (warning,) = told(half, service, config, maker)
    assert re.search(said, str(warning.message))


@pytest.mark.parametrize(("service", "bound", "maker"), MAKERS)
def test_a_client_with_the_recommended_settings_draws_no_warning(half, service, bound, maker):
    assert told(half, service, client_config(max_pool_connections=64), maker) == [], bound


def test_the_warning_points_at_the_application(half):
    (warning,) = told(half, "dynamodb", None, MAKERS[0][2])
    assert warning.filename == __file__


def test_a_client_as_recommended_may_be_too_slow_for_what_is_asked(half):
    def maker(client, half):
        half.CounterClient("t", client=client, timeout=timedelta(seconds=2))

    (warning,) = told(half, "dynamodb", client_config(), maker)
    assert "3 s" in str(warning.message)
    assert "Make its time-outs shorter, or the timeout longer" in str(warning.message)
