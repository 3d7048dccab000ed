"""Ask at the start for what the environment only says where to find.

An EC2 instance is set up by a script that can ask (stacks/instance.sh); a container has no shell.
"""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from server.settings import SettingsError

_PATIENCE = 5.0
_METADATA = "ECS_CONTAINER_METADATA_URI_V4"


def asked(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with what was asked for added; what is set already stays.

    The API's key comes from API Gateway, by the id in INTERLOCK_API_KEY_ID; the instance's id from
    ECS, where there is one. Raises `SettingsError` that says what could not be had.
    """
    found = dict(environment)
    problems = []
    if not found.get("INTERLOCK_API_KEY") and (key_id := found.get("INTERLOCK_API_KEY_ID")):
        try:
            found["INTERLOCK_API_KEY"] = _api_key(key_id, found.get("AWS_REGION"))
        except (BotoCoreError, ClientError) as error:
            problems.append(f"the API key {key_id} cannot be read: {error}")
    if not found.get("INTERLOCK_INSTANCE_ID") and (address := found.get(_METADATA)):
        try:
            found["INTERLOCK_INSTANCE_ID"] = _task_id(address)
        except (OSError, ValueError, KeyError) as error:
            problems.append(f"ECS does not say which task this is: {error!r}")
    if problems:
        raise SettingsError(problems)
    return found


def _api_key(key_id: str, region: str | None) -> str:
    client: Any = botocore.session.Session().create_client("apigateway", region_name=region)
    try:
        answer = client.get_api_key(apiKey=key_id, includeValue=True)
    finally:
        client.close()
    return str(answer["value"])


def _task_id(address: str) -> str:
    """Return the last part of the task's ARN.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html
    """
    with urllib.request.urlopen(f"{address}/task", timeout=_PATIENCE) as answer:  # noqa: S310 - ECS's own address
        told = json.load(answer)
    return str(told["TaskARN"]).rpartition("/")[2]
