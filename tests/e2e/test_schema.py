"""Whatever is sent to the deployed API, its answers are as its OpenAPI document says."""

import json
from pathlib import Path

import boto3
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance, unsupported_method

from interlock.signing import sigv4
from local.emulator import REGION

pytest_plugins = ["schemathesis.pytest.plugin"]  # which other tests are spared

DOCUMENT = Path(__file__).parents[2] / "lambda" / "counters" / "openapi.json"

LEFT_OUT = [
    # HEAD is not in the document, and is answered as GET.
    unsupported_method,
    # The document cannot say that a transfer needs two counters, that a receipt is genuine, or
    # that an idempotency key has not been used for something else.
    positive_data_acceptance,
]


def unsecured():
    """The document without its signatures: `auth` signs each request, those without header too."""
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    document.pop("security", None)
    document["components"].pop("securitySchemes", None)
    for methods in document["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    return document


config = schemathesis.Config.from_dict(
    # 413: what is longer than the document allows may be too long to be looked at.
    {"checks": {"negative_data_rejection": {"expected-statuses": [400, 404, 409, 413, 415, 422]}}}
)
schema = schemathesis.openapi.from_dict(unsecured(), config=config)


@pytest.fixture(scope="session")
def auth():
    """SigV4, as any client of the API signs."""
    return sigv4(boto3.Session("test", "test", region_name=REGION))


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_no_server_error_and_nothing_outside_the_document(case, deployed, auth):
    case.call_and_validate(
        base_url=deployed.api_url,
        auth=auth,
        headers={"x-api-key": deployed.api_key},
        excluded_checks=LEFT_OUT,
    )
