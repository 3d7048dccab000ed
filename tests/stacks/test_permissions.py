"""No policy allows a wildcard, and no resource lets in everybody, without a reason given here."""

import copy

import pytest

from tests.stacks.policies import statements

_ADMINISTRATION = "the account's own policies say who administers the key; else no one could"
_WAY_OUT = "the way out of the network is narrowed to this account; roles say what may be done"
_STAGE = "arn:aws:execute-api:eu-central-1:<account>:<Api>/<ApiDeploymentStagev1>"

# (where, what): why it stays. An entry that nothing needs any more fails a test.
REASONS = {
    (
        "Service/GroupRoleDefaultPolicy",
        "*",
    ): "DescribeTargetHealth has no resource, DiscoverInstances is confined by conditions",
    ("Api/CountersRoleDefaultPolicy", "*"): "X-Ray's PutTraceSegments has no resource",
    (
        "Api/ApiInvoke",
        f"{_STAGE}/*/*",
    ): "every route of one stage of one API",
    ("Api/ApiRead", f"{_STAGE}/GET/*"): "every route that reads, of one stage of one API",
    ("Api/ApiChange", f"{_STAGE}/GET/*"): "the same",
    ("Api/ApiChange", f"{_STAGE}/POST/counters/*/increment"): "names of counters are any",
    ("Api/ApiChange", f"{_STAGE}/POST/counters/*/decrement"): "the same",
    ("Data/BackupKey", "kms:*"): _ADMINISTRATION,
    ("Data/CoordinationKey", "kms:*"): _ADMINISTRATION,
    ("Data/ReceiptsKey1", "kms:*"): _ADMINISTRATION,
    ("Network/VpcDynamoDb", "*"): _WAY_OUT,
    ("Network/VpcDynamoDb", "dynamodb:*"): _WAY_OUT,
    ("Network/VpcS3", "*"): _WAY_OUT,
    (
        "Network/VpcS3",
        "arn:aws:s3:::al2023-repos-eu-central-1-de612dc2/*",
    ): "the packages of Amazon Linux, which are fetched without a signature",
    (
        "Network/VpcS3",
        "arn:aws:s3:::amazon-ssm-eu-central-1/*",
    ): "the updates of the SSM agent, which are fetched without a signature",
    ("Network/VpcS3", "everybody"): "packages and updates are fetched without a signature",
    ("Observability/TopicKey", "kms:*"): _ADMINISTRATION,
    (
        "Records/AccessLogsPolicy",
        "<AccessLogs.Arn>/AWSLogs/<account>/*",
    ): "the load balancer names its log objects itself, below this account's prefix",
    ("Records/Key", "kms:*"): _ADMINISTRATION,
    ("Service/MembersHintsKey1", "kms:*"): _ADMINISTRATION,
    ("Records/TrailPolicy", "<Trail.Arn>/*"): "S3 names its log objects itself",
}


def wildcards(templates):
    """Return what the statements that allow leave open, as (where, what)."""
    found = set()
    for statement in statements(templates):
        wide = [action for action in statement.actions if "*" in action]
        # In a key's own policy the resource is always "*", and means the key.
        if statement.kind != "AWS::KMS::Key":
            wide += [resource for resource in statement.resources if "*" in resource]
        if statement.open_to_all:
            wide.append("everybody")
        found |= {(statement.place, what) for what in wide}
    return found


def test_every_wildcard_has_a_reason(real):
    assert wildcards(real.templates) - REASONS.keys() == set()


def test_every_reason_is_needed(real):
    if real.name == "prod":  # dev has no backups
        assert REASONS.keys() - wildcards(real.templates) == set()


def test_no_key_lets_in_a_service_on_anybodys_behalf(real):
    """A service principal in a key's policy is bound to this account, or to its log groups."""
    for statement in statements(real.templates):
        if statement.kind == "AWS::KMS::Key" and "Service" in statement.body["Principal"]:
            conditions = str(statement.body["Condition"])
            assert "aws:SourceAccount" in conditions or "EncryptionContext" in conditions


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"Action": "dynamodb:*"}, "dynamodb:*"),
        ({"Resource": "*"}, "*"),
        ({"NotAction": "iam:*", "Action": None}, "NotAction:*"),
        ({"NotResource": "x", "Resource": None}, "NotResource:*"),
        ({"Principal": "*"}, "everybody"),
    ],
)
def test_a_wildcard_is_not_overlooked(real, change, what):
    templates = copy.deepcopy(dict(real.templates))
    (place, resource), *_ = (
        (place, resource)
        for place, resource in templates["Data"]["Resources"].items()
        if resource["Type"] == "AWS::DynamoDB::GlobalTable"
    )
    statement = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "x", **change}
    resource["Properties"]["ResourcePolicy"] = {
        "Statement": [{key: value for key, value in statement.items() if value is not None}]
    }
    new = wildcards(templates) - wildcards(real.templates)
    assert new == {(f"Data/{place[:-8]}", what)}
