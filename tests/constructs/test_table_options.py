"""Options of the table reach the template, and those that contradict each other are refused."""

import json

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Annotations, Match, Template

from interlock.constructs import CoordinationTable

HERE = cdk.Environment(account="111111111111", region="us-east-1")
AWS_OWNED = dynamodb.TableEncryptionV2.dynamo_owned_key()
EVERYONE = iam.AnyPrincipal()


@pytest.fixture
def stack(monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")
    return cdk.Stack(cdk.App(), "Stack", env=HERE)


def made(stack):
    (table,) = Template.from_stack(stack).find_resources("AWS::DynamoDB::GlobalTable").values()
    return table


def test_all_options_reach_the_template(stack):
    CoordinationTable(
        stack,
        "Table",
        table_name="ours",
        billing=dynamodb.Billing.on_demand(max_read_request_units=100, max_write_request_units=50),
        warm_throughput=dynamodb.WarmThroughput(
            read_units_per_second=15_000, write_units_per_second=5_000
        ),
        resource_policy=iam.PolicyDocument(
            statements=[
                iam.PolicyStatement(
                    effect=iam.Effect.DENY,
                    principals=[EVERYONE],
                    actions=["dynamodb:Scan"],
                    resources=["*"],
                )
            ]
        ),
        stream=dynamodb.StreamViewType.KEYS_ONLY,
        encryption=AWS_OWNED,
        point_in_time_recovery=False,
    )
    properties = made(stack)["Properties"]
    (replica,) = properties["Replicas"]
    assert properties["TableName"] == "ours"
    assert properties["WriteOnDemandThroughputSettings"] == {"MaxWriteRequestUnits": 50}
    assert replica["ReadOnDemandThroughputSettings"] == {"MaxReadRequestUnits": 100}
    assert properties["WarmThroughput"]["WriteUnitsPerSecond"] == 5_000
    assert properties["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}
    assert properties["SSESpecification"] == {"SSEEnabled": False}
    assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": False}
    (denial,) = replica["ResourcePolicy"]["PolicyDocument"]["Statement"]
    assert denial["Action"] == "dynamodb:Scan"
    Template.from_stack(stack).resource_count_is("AWS::KMS::Key", 0)


def test_no_key_is_granted_where_aws_owns_it(stack):
    role = iam.Role(stack, "Role", assumed_by=EVERYONE)
    CoordinationTable(stack, "Table", encryption=AWS_OWNED).grant_locks(role, "a").assert_success()
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    assert "kms" not in str(policy)


@pytest.mark.parametrize(
    ("props", "says"),
    [
        ({"encryption": AWS_OWNED, "encryption_key": True}, "give one of them"),
        (
            {"removal_policy": cdk.RemovalPolicy.DESTROY, "deletion_protection": True},
            "could not be deleted",
        ),
        ({"table_name": "no name"}, "give the name of a table"),
        ({"table_name": ""}, "give the name of a table"),
        ({"replicas": "eu-west-1", "encryption": AWS_OWNED}, "write replicas="),
        ({"replicas": ["eu-west-1"], "encryption": AWS_OWNED}, "no quorum"),
        ({"witness": "eu-west-1", "encryption": AWS_OWNED}, "no quorum"),
        (
            {"replicas": ["eu-west-1"], "witness": "eu-west-1", "encryption": AWS_OWNED},
            "no quorum",
        ),
        ({"replicas": ["eu-west-1", "us-east-2"]}, "without encryption"),
    ],
)
def test_options_that_make_no_table_are_refused(stack, props, says):
    if props.get("encryption_key"):
        props = props | {"encryption_key": kms.Key(stack, "Key")}
    with pytest.raises(ValueError, match=says):
        CoordinationTable(stack, "Table", **props)


def test_a_removal_policy_of_an_aspect_lifts_the_protection(stack):
    CoordinationTable(stack, "Table")
    cdk.RemovalPolicies.of(stack).destroy()
    table = made(stack)
    assert table["DeletionPolicy"] == "Delete"
    assert [r["DeletionProtectionEnabled"] for r in table["Properties"]["Replicas"]] == [False]


def test_an_aspect_does_not_overrule_a_protection_that_was_asked_for(stack):
    CoordinationTable(stack, "Table", deletion_protection=True)
    cdk.RemovalPolicies.of(stack).destroy()
    Annotations.from_stack(stack).has_error("*", Match.string_like_regexp("could not be deleted"))


def test_without_an_aspect_the_protection_stays(stack):
    CoordinationTable(stack, "Table")
    (replica,) = made(stack)["Properties"]["Replicas"]
    assert replica["DeletionProtectionEnabled"] is True


@pytest.fixture
def everywhere(stack):
    return CoordinationTable(
        stack, "Table", encryption=AWS_OWNED, replicas=["us-east-2"], witness="us-west-2"
    )


def test_a_strongly_consistent_global_table_has_no_time_to_live(stack, everywhere):
    properties = made(stack)["Properties"]
    assert properties["MultiRegionConsistency"] == "STRONG"
    assert properties["GlobalTableWitnesses"] == [{"Region": "us-west-2"}]
    assert {replica["Region"] for replica in properties["Replicas"]} == {"us-east-1", "us-east-2"}
    assert "TimeToLiveSpecification" not in properties
    assert everywhere.is_strongly_consistent_global


def test_what_needs_transactions_is_refused_there(stack, everywhere):
    role = iam.Role(stack, "Role", assumed_by=EVERYONE)
    everywhere.grant_locks(role, "orders/*").assert_success()
    with pytest.raises(ValueError, match="no transactions, which counters need"):
        everywhere.grant_counters(role, "visits")
    with pytest.raises(ValueError, match="no transactions, which transactions need"):
        everywhere.grant_transactions(role, once=["*"])
    again = CoordinationTable.from_table(stack, "Again", table=everywhere.table)
    with pytest.raises(ValueError, match="no transactions"):
        again.grant_counters(role, "visits")


def test_the_index_can_be_left_out(stack):
    table = CoordinationTable(stack, "Table", listing=False)
    properties = made(stack)["Properties"]
    assert "GlobalSecondaryIndexes" not in properties
    assert [each["AttributeName"] for each in properties["AttributeDefinitions"]] == ["pk"]
    assert not table.has_listing
    assert CoordinationTable(stack, "Listed").has_listing


def policies(stack):
    return json.dumps(Template.from_stack(stack).find_resources("AWS::IAM::Policy"))


def without_index(stack, how):
    if how == "made":
        return CoordinationTable(stack, "Table", listing=False)
    if how == "arn":
        arn = "arn:aws:dynamodb:us-east-1:111111111111:table/t-1"
        return CoordinationTable.from_table_arn(stack, "Table", arn, listing=False)
    if how == "name":
        return CoordinationTable.from_table_name(stack, "Table", "t-1", listing=False)
    table = dynamodb.TableV2(
        stack, "Made", partition_key=text("pk"), time_to_live_attribute="expires"
    )
    return CoordinationTable.from_table(stack, "Table", table=table, listing=False)


@pytest.mark.parametrize("how", ["made", "table", "arn", "name"])
def test_without_the_index_no_grant_speaks_of_it(stack, how):
    table = without_index(stack, how)
    role = iam.Role(stack, "Role", assumed_by=EVERYONE)
    for grant in (table.grant_operate, table.grant_operate_read):
        assert grant(role).success
    assert table.grant_counters(role, "*").success
    assert "dynamodb:Scan" in policies(stack)
    assert "dynamodb:Query" not in policies(stack)
    with pytest.raises(ValueError, match="Stack/Table has no index to list counters by: leave"):
        table.grant_list_counters(role)
    assert "dynamodb:Query" not in policies(stack)


def text(name):
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


@pytest.mark.parametrize("kind", [dynamodb.Table, dynamodb.TableV2])
def test_a_table_of_another_schema_is_refused_with_all_that_it_lacks(stack, kind):
    table = kind(stack, "Table", partition_key=text("id"), sort_key=text("at"))
    with pytest.raises(ValueError, match="no coordination table") as refused:
        CoordinationTable.from_table(stack, "Coordination", table=table)
    assert [line.partition(":")[0] for line in str(refused.value).split("\n  - ")[1:]] == [
        (
            "its key is [('id', 'HASH'), ('at', 'RANGE')]; give it the partition key 'pk' alone, "
            "of type S, or say by layout=TableLayout(...) what it is called"
        ),
        "it lacks the index listing",
        "its time to live is not by the attribute expires",
    ]


def test_a_key_of_another_type_is_refused(stack):
    number = dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.NUMBER)
    table = dynamodb.Table(stack, "Table", partition_key=number, time_to_live_attribute="expires")
    table.add_global_secondary_index(
        index_name="listing", partition_key=text("listing"), sort_key=number
    )
    with pytest.raises(ValueError, match="its attribute pk is of type N, not S"):
        CoordinationTable.from_table(stack, "Coordination", table=table)


def test_a_table_of_the_right_schema_is_taken(stack):
    table = dynamodb.Table(
        stack, "Table", partition_key=text("pk"), time_to_live_attribute="expires"
    )
    table.add_global_secondary_index(
        index_name="listing",
        partition_key=text("listing"),
        sort_key=text("pk"),
        projection_type=dynamodb.ProjectionType.KEYS_ONLY,
    )
    imported = CoordinationTable.from_table(stack, "Coordination", table=table)
    assert imported.table_name == table.table_name
