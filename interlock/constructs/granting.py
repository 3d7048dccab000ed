"""Statements of IAM on both sides of a grant: the principal's, and the owner's across accounts.

Across accounts both have to allow: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

from aws_cdk import Annotations, Stack, Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct, IConstruct

from interlock.constructs.policy_sizes import check_size

_KEY_ACTIONS = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
_LEADING_KEYS = "dynamodb:LeadingKeys"
_OTHER_SIDE = "interlock:ownerMustGrant"
# Coordination tables, and their keys: a table whose region is unknown does not know its own.
_KEYS: WeakKeyDictionary[dynamodb.ITable, kms.IKey | None] = WeakKeyDictionary()
# What begins the library's keys in a table: several layouts may share one.
_PREFIXES: WeakKeyDictionary[dynamodb.ITable, set[str]] = WeakKeyDictionary()


def note_coordination_table(table: dynamodb.ITable, key: kms.IKey | None, prefix: str) -> None:
    """Note that a table is a coordination table, its key, and what begins its items' keys."""
    _KEYS[table] = key
    _PREFIXES.setdefault(table, set()).add(prefix)


def prefixes_of(table: dynamodb.ITable) -> AbstractSet[str]:
    """Return what was noted to begin the library's keys in a table; nothing for another table."""
    return _PREFIXES.get(table, frozenset())


def key_of(table: dynamodb.ITable) -> kms.IKey | None:
    """Return the customer-managed key of a table, where it is known."""
    return _KEYS.get(table) or table.encryption_key


def allow_items(
    scope: Construct,
    grantee: iam.IGrantable,
    table: dynamodb.ITable,
    actions: Sequence[str],
    *,
    index: str | None = None,
    keys: Sequence[str] = (),
    other_keys_than: Sequence[str] = (),
    attributes: Sequence[str] = (),
    updated: Sequence[str] = (),
) -> iam.Grant:
    """Allow actions on items of a table, or of its index.

    They are confined to the patterns `keys` of partition keys, to keys other than some, to
    `attributes` that a read names, and to those that an update names, the key's among them;
    without any of these, they are not confined.
    """
    conditions: dict[str, Any] = {}
    if keys:
        conditions["ForAllValues:StringLike"] = {_LEADING_KEYS: list(keys)}
    if other_keys_than:
        conditions["ForAllValues:StringNotLike"] = {_LEADING_KEYS: list(other_keys_than)}
    if conditions:
        # ForAllValues also holds for a request without keys, which this refuses.
        conditions["Null"] = {_LEADING_KEYS: "false"}
    if attributes:
        # A request that names no attributes reads all of them, unless it must say that it does not:
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
        conditions["ForAllValues:StringEquals"] = {"dynamodb:Attributes": list(attributes)}
        conditions["StringEquals"] = {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}
    if updated:
        conditions["ForAllValues:StringEquals"] = {"dynamodb:Attributes": list(updated)}
    arn = table.table_arn if index is None else f"{table.table_arn}/index/{index}"
    owned = table if isinstance(table, dynamodb.TableV2 | dynamodb.Table) else None
    statement = _Statement(sorted(actions), conditions)
    return _allow(scope, grantee, statement, [_Resource(arn, table.env.account, owned)])


def allow_key(
    scope: Construct, grantee: iam.IGrantable, table: dynamodb.ITable, key: kms.IKey | None
) -> iam.Grant | None:
    """Allow to use a table's key, through DynamoDB in the table's region alone."""
    if key is None:
        return None
    via = f"dynamodb.{table.env.region}.{Stack.of(scope).url_suffix}"
    return allow_keys(
        scope, grantee, [key], _KEY_ACTIONS, {"StringEquals": {"kms:ViaService": via}}
    )


def allow_keys(
    scope: Construct,
    grantee: iam.IGrantable,
    keys: Sequence[kms.IKey],
    actions: Sequence[str],
    conditions: Mapping[str, Any],
) -> iam.Grant:
    """Allow actions with keys. Raises `ValueError` for an alias."""
    check_keys(keys)
    resources = [
        _Resource(key.key_arn, key.env.account, key if isinstance(key, kms.Key) else None)
        for key in keys
    ]
    return _allow(scope, grantee, _Statement(list(actions), dict(conditions)), resources)


def check_keys(keys: Sequence[kms.IKey]) -> None:
    """Raise `ValueError` for an alias among keys: IAM allows nothing by one's ARN.

    https://docs.aws.amazon.com/kms/latest/developerguide/alias-access.html
    """
    for key in keys:
        if hasattr(key, "alias_name"):
            raise ValueError(
                f"{key.node.path} is an alias, by which no use of a key can be allowed: give the "
                "key itself, such as Key.from_key_arn(...), or alias_target_key"
            )


@dataclass(frozen=True)
class _Statement:
    actions: list[str]
    conditions: dict[str, Any]


@dataclass(frozen=True)
class _Resource:
    arn: str
    account: str
    owned: dynamodb.TableV2 | dynamodb.Table | kms.Key | None


def _allow(
    scope: Construct,
    grantee: iam.IGrantable,
    statement: _Statement,
    resources: Sequence[_Resource],
) -> iam.Grant:
    """Write a statement to the grantee's policy, and across accounts to the resources' own."""
    if not hasattr(grantee, "grant_principal"):
        raise ValueError(
            f"grantee is {grantee!r}: give a role or user, or what has one (a Lambda function)"
        )
    grant = iam.Grant.add_to_principal(
        grantee=grantee,
        actions=statement.actions,
        resource_arns=[resource.arn for resource in resources],
        conditions=statement.conditions,
    )
    check_size(grantee)
    for resource in resources:
        if _in_another_account(grantee, resource.account):
            half = _allow_there(scope, grantee, statement, resource)
            grant = half or grant
    return grant


def _allow_there(
    scope: Construct, grantee: iam.IGrantable, statement: _Statement, resource: _Resource
) -> iam.Grant | None:
    """Write a statement to a resource's own policy; return a failed grant where half is missing."""
    theirs = iam.PolicyStatement(
        principals=[grantee.grant_principal],
        actions=statement.actions,
        resources=["*"],  # in a resource's own policy: this resource
        conditions=statement.conditions,
    )
    if resource.owned is None:
        whose, lacking = f"{resource.arn} is another account's, whose policy of it", theirs
    else:
        resource.owned.add_to_resource_policy(theirs)
        away = _written_by_another_account(grantee.grant_principal)
        if away is None:
            return None
        whose = f"{away} is another account's, whose own policies"
        lacking = iam.PolicyStatement(
            actions=statement.actions, resources=[resource.arn], conditions=statement.conditions
        )
    missing = f"{whose} must have {json.dumps(Stack.of(scope).resolve(lacking.to_json()))}"
    Annotations.of(scope).add_warning_v2(_OTHER_SIDE, missing)
    # Half of a grant is none: `success` is False, and `assert_success` raises.
    return iam.Grant.drop(grantee, missing)


def _written_by_another_account(principal: iam.IPrincipal) -> str | None:
    """Return which principal no stack here can write to, None if one does.

    An account as a whole, or a role in another account than its stack.
    """
    if not hasattr(principal, "node"):
        return f"account {principal.principal_account}"
    role = cast("IConstruct", principal)
    return role.node.path if Stack.of(role).account != principal.principal_account else None


def _in_another_account(grantee: iam.IGrantable, account: str) -> bool:
    theirs = grantee.grant_principal.principal_account
    if theirs is None or Token.is_unresolved(theirs) or Token.is_unresolved(account):
        return False
    return theirs != account
