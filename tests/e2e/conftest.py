"""The application, deployed once on this machine for all tests below this folder."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.application import Application, application
from local.emulator import REGION
from local.progress import Progress
from local.requests import Answer, request

HERE = Path(__file__).parent
INSTANCES = 2


# As each is collected: when this folder is run alone, xdist has read the groups by the end of it.
def pytest_itemcollected(item: pytest.Item) -> None:
    if HERE in item.path.parents:
        item.add_marker(pytest.mark.e2e)
        # One worker takes all that use it, so that `-n 2 --dist loadgroup` deploys once.
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group("deployed"))
        # One of them deploys, on a machine that may be busy with other tests.
        item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def deployed() -> Iterator[Application]:
    """The running application."""
    with application(instances=INSTANCES, progress=Progress()) as running:
        yield running


Call = Callable[..., Answer]


@pytest.fixture(scope="session")
def signed(deployed: Application) -> Call:
    """Calls the API past load balancer and service: `signed("GET", "/counters/a")`."""

    def call(method: str, path: str, body: object = None, **headers: str) -> Answer:
        url = deployed.api_url + path
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        unsigned = {"x-api-key": deployed.api_key} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if content is not None:
            unsigned.setdefault("Content-Type", "application/json")
        prepared = AWSRequest(method=method, url=url, data=content, headers=unsigned)
        SigV4Auth(Credentials("test", "test"), "execute-api", REGION).add_auth(prepared)
        return request(method, url, content, headers=dict(prepared.headers.items()))

    return call


def value_of(signed: Call, counter: str) -> int:
    """Return what the counter at a path is at."""
    answer = signed("GET", counter)
    assert answer.status == 200, answer.content
    value: int = answer.json()["value"]
    return value


@pytest.fixture
def counter(signed: Call) -> Iterator[str]:
    """The path of a fresh counter with the value 5 and the ceiling 10, which goes with its test."""
    path = f"/counters/test-{uuid4().hex[:12]}"
    assert signed("PUT", path, {"floor": 0, "ceiling": 10}).status == 201
    assert signed("POST", f"{path}/increment", {"amount": 5}).json()["value"] == 5
    yield path
    signed("DELETE", path)
