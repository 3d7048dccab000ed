"""Ask the account, before a deployment, whether it has what an environment needs.

    make preflight ENV=prod        or: python -m stacks.preflight prod

Nothing is changed. Each finding comes with what mends it; the exit status is 1 if there is one, or
if something could not be asked.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from stacks.account import Account, Finding
from stacks.account_checks import CHECKS, credentials
from stacks.config import Environment, EnvironmentRefused, UnknownEnvironment, parse

SETTINGS = Path(__file__).resolve().parent.parent / "cdk.json"
_PATIENCE = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 3})
_SIGN_IN = "sign in (aws sso login) and set AWS_PROFILE, or set AWS_ACCESS_KEY_ID and its secret"
_REGION_OFF = frozenset({"AuthFailure", "InvalidClientTokenId", "OptInRequired"})


def preflight(environment: Environment, clients: Callable[[str], Any]) -> Iterator[str]:
    """Yield a line for each check that has passed, and a `Problem` for each finding."""
    account = Account(environment, clients)
    findings = list(_asked(account, credentials))
    yield from _told("credentials", findings)
    if findings:  # another account's answers would mislead
        return
    for name, check in CHECKS.items():
        yield from _told(name, list(_asked(account, check)))


class Problem(str):
    """A line that has the deployment fail, or that could not be asked."""

    __slots__ = ()


def _asked(account: Account, check: Callable[[Account], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check(account)
    except NoCredentialsError:
        yield Finding("there are no credentials", _SIGN_IN)
    except ClientError as error:
        yield Finding(f"could not be asked: {error}", _fix(error, account))
    except (BotoCoreError, KeyError, IndexError, ValueError) as error:
        yield Finding(f"could not be asked: {error!r}", "mend that, and run this again")


def _fix(error: ClientError, account: Account) -> str:
    code = error.response.get("Error", {}).get("Code", "")
    if "Expired" in code:
        return _SIGN_IN
    if code in _REGION_OFF:
        region = account.environment.region
        return f"{_SIGN_IN}; or enable the region: aws account enable-region --region-name {region}"
    return f"allow {error.operation_name} to whom asks, or look yourself"


def _told(name: str, findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        yield f"  ok      {name}"
    for finding in findings:
        yield Problem(f"  WRONG   {name}: {finding.what}\n          fix: {finding.fix}")


def chosen(name: str) -> Environment:
    """Return the environment of `cdk.json`. Raises `EnvironmentRefused`."""
    context: Mapping[str, Any] = json.loads(SETTINGS.read_text(encoding="utf-8"))["context"]
    known = context["environments"]
    if name not in known:
        way_out = f"make preflight ENV={'|'.join(known)} (cdk.json, environments)"
        raise UnknownEnvironment(f"there is no environment {name!r}; use {way_out}")
    return parse(name, known[name])


def main(arguments: Sequence[str]) -> int:
    """Ask, print the report, and return the exit status."""
    try:
        (name,) = arguments
        environment = chosen(name)
    except ValueError:
        sys.stderr.write("use: make preflight ENV=dev, or python -m stacks.preflight dev\n")
        return 2
    except EnvironmentRefused as refusal:
        sys.stderr.write(f"\n{refusal}\n\n")
        return 1
    sys.stdout.write(f"{name}, in {environment.account}, {environment.region}:\n")
    if environment.emulated:
        sys.stdout.write("  ok      it is deployed on this machine (make demo), into no account\n")
        return 0

    @cache
    def clients(service: str) -> Any:
        return boto3.client(service, region_name=environment.region, config=_PATIENCE)  # type: ignore[call-overload] # any service

    wrong = 0
    for line in preflight(environment, clients):
        wrong += isinstance(line, Problem)
        sys.stdout.write(f"{line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
