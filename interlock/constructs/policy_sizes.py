"""The room that a policy of IAM has for grants, which else only a deployment would tell.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
White space does not count, and what a token stands for is not known here, so it does not, either.
"""

import json
import re
from typing import Any

from aws_cdk import aws_iam as iam

_OF_ROLE = 10_240  # all inline policies of a role together
_OF_GROUP = 5_120
_OF_USER = 2_048
_MANAGED = 6_144
_EMPTY = len('{"Version":"2012-10-17","Statement":[]}')
_UNCOUNTED = re.compile(r"\s|\$\{Token\[[^\]]*\]\}")


def check_size(grantee: iam.IGrantable) -> None:
    """Raise `ValueError` if a grantee has more in its policy than IAM takes.

    CDK moves to managed policies what an own role's inline policy has no room for, by whole
    statements: there only those that are longer than a managed policy have to fit together. Roles
    that are not to be changed have no policy here.
    """
    principal = grantee.grant_principal
    if isinstance(grantee, iam.ManagedPolicy):
        _check(_sizes(grantee.document), _MANAGED, "a managed policy")
    elif isinstance(grantee, iam.Policy):
        _check(_sizes(grantee.document), _OF_ROLE, "the inline policies of a role")
    elif (document := _document(principal)) is not None:
        sizes = _sizes(document)
        if isinstance(principal, iam.Role):
            sizes = [size for size in sizes if size > _MANAGED - _EMPTY]
        most, whose = _limit(principal)
        _check(sizes, most, f"the inline policies of {whose}")


def _limit(principal: iam.IPrincipal) -> tuple[int, str]:
    if hasattr(principal, "user_name"):
        return _OF_USER, "a user"
    return (_OF_GROUP, "a group") if hasattr(principal, "group_name") else (_OF_ROLE, "a role")


def _document(principal: iam.IPrincipal) -> iam.PolicyDocument | None:
    """Return what this app writes to a role, user or group; None where it writes nothing."""
    node = getattr(principal, "node", None)
    if node is None:
        return None
    for name in ("DefaultPolicy", "Policy"):  # of one that is made here, or imported
        policy = node.try_find_child(name)
        if isinstance(policy, iam.Policy):
            return policy.document
    return None


def _sizes(document: iam.PolicyDocument) -> list[int]:
    """Return how long each statement is at least: CDK may merge those with one condition."""
    by_condition: dict[str, int] = {}
    for statement in (document.to_json() or {}).get("Statement", ()):
        condition = json.dumps(statement.get("Condition"), sort_keys=True)
        by_condition[condition] = max(by_condition.get(condition, 0), _size(statement))
    return [*by_condition.values()]


def _size(statement: Any) -> int:
    text = json.dumps(statement, separators=(",", ":"), ensure_ascii=False)
    return len(_UNCOUNTED.sub("", text))


def _check(sizes: list[int], most: int, where: str) -> None:
    needed = sum(sizes) + _EMPTY
    if sizes and needed > most:
        raise ValueError(
            f"what is granted takes {needed:,} characters at least, and IAM takes {most:,} in "
            f"{where}: grant a namespace ('orders/*') instead of each name, or spread the names "
            "over several roles"
        )
