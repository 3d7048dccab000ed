"""Refuse, by stack policies, to replace or delete what keeps data.

    python -m stacks.stack_policy prod          `make deploy` does so after each deployment
    python -m stacks.stack_policy prod lift     before an environment is taken down

CloudFormation would put an empty table in the place of one that a change makes it replace. The
policy has the update fail instead:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from stacks.config import Environment, EnvironmentRefused
from stacks.preflight import chosen

KEPT = (
    "AWS::Backup::BackupVault",
    "AWS::Cognito::UserPool",
    "AWS::DynamoDB::GlobalTable",
    "AWS::KMS::Key",
)
"""Types of which no resource is replaced, or deleted by an update."""
_STACKS = ("data", "identity", "records")


def stack_policy(*, lifted: bool = False) -> dict[str, Any]:
    """Return the policy's document; `lifted` allows every update again."""
    every = {"Principal": "*", "Resource": "*"}
    allowed = {"Effect": "Allow", "Action": "Update:*", **every}
    refused = {
        "Effect": "Deny",
        "Action": ["Update:Replace", "Update:Delete"],
        **every,
        "Condition": {"StringEquals": {"ResourceType": list(KEPT)}},
    }
    return {"Statement": [allowed] if lifted else [allowed, refused]}


def protected(environment: Environment) -> list[str]:
    """Return the names of the stacks that keep data; not every environment has each."""
    return [f"interlock-{environment.name}-{part}" for part in _STACKS]


def protect(
    environment: Environment, cloudformation: Any, *, lifted: bool = False
) -> Iterator[str]:
    """Set the policy of each stack that keeps data; yield the names of the stacks."""
    body = json.dumps(stack_policy(lifted=lifted))
    for name in protected(environment):
        if name.endswith("-identity") and not _is_there(name, cloudformation):
            continue
        cloudformation.set_stack_policy(StackName=name, StackPolicyBody=body)
        yield name


def _is_there(name: str, cloudformation: Any) -> bool:
    try:
        cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        if "does not exist" in str(error):
            return False
        raise
    return True


def _client(environment: Environment) -> Any:
    return boto3.client("cloudformation", region_name=environment.region)


def main(arguments: Sequence[str], client: Callable[[Environment], Any] = _client) -> int:
    """Set the policies of the environment that is named, and return the exit status."""
    try:
        name, lifted = _asked(*arguments)
        environment = chosen(name)
    except (TypeError, ValueError):
        sys.stderr.write("use: python -m stacks.stack_policy ENVIRONMENT [lift]\n")
        return 2
    except EnvironmentRefused as refusal:
        sys.stderr.write(f"\n{refusal}\n\n")
        return 1
    if not environment.stateful and not lifted:
        return 0
    words = "may be replaced and deleted" if lifted else "cannot be replaced"
    try:
        for stack in protect(environment, client(environment), lifted=lifted):
            sys.stdout.write(f"{stack}: its table, keys and accounts {words}\n")
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(
            f"Stack policies are not set; an update could replace what keeps data: {error}\n"
            "Have a person with cloudformation:SetStackPolicy run: "
            f"python -m stacks.stack_policy {name}\n"
        )
        return 1
    return 0


def _asked(name: str, verb: str | None = None) -> tuple[str, bool]:
    if verb not in {None, "lift"}:
        raise ValueError(f"there is no verb {verb!r}")
    return name, verb is not None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
