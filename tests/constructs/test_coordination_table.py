"""One statement gives a safe table; grants give what they say and no more."""

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Match, Template

from interlock.constructs import CoordinationTable


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")


@pytest.fixture
def stack():
    return cdk.Stack(cdk.App(context={"aws:cdk:bundling-stacks": []}), "Stack")


def role_in(stack):
    return iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))


def statements(stack):
    """Return the statements of the only policy, by their sorted actions' service."""
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    return policy["Properties"]["PolicyDocument"]["Statement"]


def on_items(stack):
    return [
        s for s in statements(stack) if all(a.startswith("dynamodb:") for a in _listed(s["Action"]))
    ]


def _listed(value):
    return value if isinstance(value, list) else [value]


def leading_keys(statement):
    keys = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    assert statement["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}
    return _listed(keys)


def test_one_line_gives_a_protected_table(stack):
    CoordinationTable(stack, "Table")
    template = Template.from_stack(stack)
    template.has_resource(
        "AWS::DynamoDB::GlobalTable",
        {
            "DeletionPolicy": "Retain",
            "Properties": {
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
                "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
                "Replicas": [
                    Match.object_like(
                        {
                            "DeletionProtectionEnabled": True,
                            "SSESpecification": {"KMSMasterKeyId": Match.any_value()},
                        }
                    )
                ],
            },
        },
    )
    template.has_resource("AWS::KMS::Key", {"Properties": {"EnableKeyRotation": True}})


def test_a_key_that_exists_is_used(stack):
    key = kms.Key(stack, "Key")
    assert CoordinationTable(stack, "Table", encryption_key=key).encryption_key is key
    Template.from_stack(stack).resource_count_is("AWS::KMS::Key", 1)


def test_locks_are_confined_to_their_namespace(stack):
    CoordinationTable(stack, "Table").grant_locks(role_in(stack), "orders/*", "nightly")
    (statement,) = on_items(stack)
    assert leading_keys(statement) == ["lock#orders/*", "lock#nightly", "lock#nightly#*"]
    assert statement["Action"] == [
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:GetItem",
        "dynamodb:PartiQLUpdate",
        "dynamodb:UpdateItem",
    ]


def test_who_may_look_at_locks_may_not_take_one(stack):
    CoordinationTable(stack, "Table").grant_inspect_locks(role_in(stack), "*")
    (statement,) = on_items(stack)
    assert leading_keys(statement) == ["lock#*"]
    assert statement["Action"] == "dynamodb:GetItem"


def test_a_counter_comes_with_its_shards_and_records_and_not_with_its_namesake(stack):
    CoordinationTable(stack, "Table").grant_counters(role_in(stack), "visits", "shop-*")
    (items,) = on_items(stack)
    assert leading_keys(items) == ["counter#visits", "counter#visits#*", "counter#shop-*"]


def test_the_list_of_all_counters_comes_with_all_counters_or_by_itself(stack):
    table = CoordinationTable(stack, "Table")
    table.grant_counters(role_in(stack), "*")
    table.grant_list_counters(iam.Role(stack, "Reader", assumed_by=iam.AnyPrincipal()))
    policies = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    listing = [
        statement
        for policy in policies
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "dynamodb:Query"
    ]
    assert len(listing) == 2
    assert all(leading_keys(statement) == ["counter"] for statement in listing)


def test_transactions_reach_these_tables_and_these_records_alone(stack):
    accounts = dynamodb.TableV2(
        stack,
        "Accounts",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
    )
    table = CoordinationTable(stack, "Table")
    table.grant_transactions(role_in(stack), tables=[accounts], once=["orders/*"])
    on_accounts, records = on_items(stack)
    assert stack.resolve(accounts.table_arn) == on_accounts["Resource"]
    assert leading_keys(records) == ["once#orders/*"]
    assert not any("*" in action for s in on_items(stack) for action in _listed(s["Action"]))


def test_transactions_on_a_coordination_table_spare_what_is_interlocks_own(stack):
    table, other = (CoordinationTable(stack, name) for name in ("Table", "Other"))
    table.grant_transactions(role_in(stack), tables=[table.table, other.table])
    for statement in on_items(stack):
        spared = statement["Condition"]["ForAllValues:StringNotLike"]["dynamodb:LeadingKeys"]
        assert {"lock#*", "counter#*", "once#*"} <= set(spared)
        assert statement["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}


def test_a_grant_of_no_transactions_is_refused(stack):
    with pytest.raises(ValueError, match="nothing to grant"):
        CoordinationTable(stack, "Table").grant_transactions(role_in(stack))


def test_the_key_is_for_use_through_dynamodb_alone(stack):
    CoordinationTable(stack, "Table").grant_locks(role_in(stack), "*")
    on_key = [s for s in statements(stack) if "kms:Decrypt" in s["Action"]]
    assert len(on_key) == 1
    assert "kms:ViaService" in on_key[0]["Condition"]["StringEquals"]


@pytest.mark.parametrize("names", [(), ("",)])
def test_a_grant_on_nothing_is_refused(stack, names):
    with pytest.raises(ValueError, match="names nothing"):
        CoordinationTable(stack, "Table").grant_locks(role_in(stack), *names)


@pytest.mark.parametrize(
    ("prefix", "says"),
    [
        *((own, "Interlock's own") for own in ("lock#", "counter#seats#", "once#", "lock#orders#")),
        *((odd, "ends in '#'") for odd in ("history", "#", "*#", "?ock#", "${x}#", "")),
    ],
)
def test_an_applications_prefix_is_its_own(stack, prefix, says):
    with pytest.raises(ValueError, match=says):
        CoordinationTable(stack, "Table").grant_prefix(role_in(stack), prefix, "*")


def test_a_table_that_exists_is_used_and_none_is_made(stack):
    table = CoordinationTable.from_table_name(stack, "Table", "coordination")
    table.grant_locks(role_in(stack), "*")
    Template.from_stack(stack).resource_count_is("AWS::DynamoDB::GlobalTable", 0)
    assert table.table_name == "coordination"
    with pytest.raises(ValueError, match="table_name is ''"):
        CoordinationTable.from_table_name(stack, "Empty", "")
    with pytest.raises(ValueError, match="or use from_table_arn"):
        CoordinationTable.from_table_name(
            stack, "Arn", "arn:aws:dynamodb:eu-west-1:222222222222:table/ours"
        )


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("metric_locks_acquired", "LocksAcquired"),
        ("metric_locks_contended", "LocksContended"),
        ("metric_locks_lost", "LocksLost"),
        ("metric_locks_broken", "LocksBroken"),
        ("metric_lock_wait_time", "LockWaitTime"),
        ("metric_lock_hold_time", "LockHoldTime"),
        ("metric_read_throttle_events", "ReadThrottleEvents"),
        ("metric_write_throttle_events", "WriteThrottleEvents"),
        ("metric_transaction_conflict", "TransactionConflict"),
        ("metric_conditional_check_failed_requests", "ConditionalCheckFailedRequests"),
    ],
)
def test_metrics_take_the_options_of_all_metrics(stack, metric, name):
    table = CoordinationTable(stack, "Table")
    made = getattr(table, metric)(period=cdk.Duration.minutes(5), label="ours", region="eu-west-1")
    assert (made.metric_name, made.period.to_minutes()) == (name, 5)
    assert (made.label, made.region) == ("ours", "eu-west-1")
    plain = getattr(table, metric)()
    assert plain.period.to_minutes() == 1
    assert plain.statistic == ("p99" if name.endswith("Time") else "Sum")
