"""A table's region, account and key are its own, whichever stack grants or imports it."""

import json

import aws_cdk as cdk
import pytest
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match, Template

from interlock.constructs import CoordinationTable, MacKey, SigningKey

HERE = cdk.Environment(account="111111111111", region="us-east-1")
THERE = cdk.Environment(account="222222222222", region="eu-west-1")
FAR_ARN = "arn:aws:dynamodb:eu-west-1:222222222222:table/ours"
FAR_KEY = "arn:aws:kms:eu-west-1:222222222222:key/11111111-2222-3333-4444-555555555555"
WEAK = {"@aws-cdk/core:defaultCrossStackReferences": "weak", "aws:cdk:bundling-stacks": []}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")


@pytest.fixture
def app():
    return cdk.App(context=WEAK)


def role_in(stack, **props):
    return iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), **props)


def function_in(stack):
    return lambda_.Function(
        stack,
        "Function",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
    )


def statements(stack):
    return [
        statement
        for policy in Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def on_keys(stack):
    return [s for s in statements(stack) if "kms:Decrypt" in s["Action"]]


def variable(stack):
    (function,) = Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
    return function["Properties"]["Environment"]["Variables"]["INTERLOCK_TABLE"]


def test_the_key_is_used_through_dynamodb_in_the_tables_region(app):
    stack = cdk.Stack(app, "Stack", env=HERE)
    key = kms.Key.from_key_arn(stack, "Key", FAR_KEY)
    table = CoordinationTable.from_table_arn(stack, "Table", FAR_ARN, encryption_key=key)
    table.grant_locks(role_in(stack), "a")
    (statement,) = on_keys(stack)
    assert "dynamodb.eu-west-1." in json.dumps(statement["Condition"])
    assert statement["Resource"] == FAR_KEY


@pytest.mark.parametrize(
    ("arn", "given"),
    [
        (FAR_ARN, FAR_ARN),
        ("arn:aws:dynamodb:us-east-1:222222222222:table/ours", None),
        ("arn:aws:dynamodb:eu-west-1:111111111111:table/ours", None),
        ("arn:aws:dynamodb:us-east-1:111111111111:table/ours", "ours"),
    ],
)
def test_a_client_elsewhere_is_given_the_arn(app, arn, given):
    stack = cdk.Stack(app, "Stack", env=HERE)
    CoordinationTable.from_table_arn(stack, "Table", arn).attach_to(function_in(stack))
    assert variable(stack) == (given or arn)


def test_a_stack_of_another_region_is_elsewhere(app):
    home, away = (cdk.Stack(app, f"In{n}", env=env) for n, env in enumerate((HERE, THERE)))
    table = CoordinationTable(home, "Table", table_name="ours")
    table.attach_to(function_in(away))
    assert variable(away)["Fn::Join"][1][-1].endswith(":table/ours")


@pytest.mark.parametrize("env", [HERE, None])
def test_the_key_travels_with_the_table(app, env):
    """In a stack of no region CDK itself does not know it."""
    stack = cdk.Stack(app, "Stack", env=env)
    table = CoordinationTable(stack, "Table")
    key = table.encryption_key
    again = CoordinationTable.from_table(stack, "Again", table=table.table)
    assert key is not None
    assert again.encryption_key is key
    other = CoordinationTable(stack, "Other")
    other.grant_transactions(role_in(stack), tables=[table.table])
    (statement,) = on_keys(stack)
    assert statement["Resource"] == stack.resolve(key.key_arn)


def test_across_accounts_both_sides_are_written(app):
    home = cdk.Stack(app, "Home", env=HERE)
    away = cdk.Stack(app, "Away", env=cdk.Environment(account=THERE.account, region=HERE.region))
    table = CoordinationTable(home, "Table")
    grant = table.grant_locks(role_in(away, role_name="fixed"), "a")
    assert grant.success
    template = Template.from_stack(home)
    (made,) = template.find_resources("AWS::DynamoDB::GlobalTable").values()
    (on_table,) = made["Properties"]["Replicas"][0]["ResourcePolicy"]["PolicyDocument"]["Statement"]
    (on_role, _) = statements(away)
    assert on_table["Action"] == on_role["Action"]
    assert on_table["Condition"] == on_role["Condition"]  # as narrow as the role's own
    assert "222222222222:role/fixed" in json.dumps(on_table["Principal"])
    (key,) = template.find_resources("AWS::KMS::Key").values()
    _, for_role = key["Properties"]["KeyPolicy"]["Statement"]
    assert "222222222222:role/fixed" in json.dumps(for_role["Principal"])
    assert "kms:ViaService" in for_role["Condition"]["StringEquals"]


def test_half_a_grant_is_none_and_says_what_is_missing(app):
    stack = cdk.Stack(app, "Stack", env=HERE)
    table = CoordinationTable.from_table_arn(stack, "Table", FAR_ARN)
    grant = table.grant_locks(role_in(stack), "a")
    assert not grant.success
    assert len(statements(stack)) == 1  # this account's half
    Annotations.from_stack(stack).has_warning("*", Match.string_like_regexp("lock#a"))
    with pytest.raises(RuntimeError, match="could not be added"):
        grant.assert_success()


def test_a_role_of_another_account_that_is_imported_is_told_what_it_still_lacks(app):
    """This stack writes the table's side, and cannot write to a role of another account."""
    stack = cdk.Stack(app, "Stack", env=HERE)
    table = CoordinationTable(stack, "Table")
    role = iam.Role.from_role_arn(stack, "Ops", "arn:aws:iam::222222222222:role/ops")
    grant = table.grant_locks(role, "a")
    assert not grant.success
    template = Template.from_stack(stack)
    (found,) = template.find_resources("AWS::DynamoDB::GlobalTable").values()
    assert "role/ops" in json.dumps(found["Properties"]["Replicas"][0]["ResourcePolicy"])
    for part in (
        "Stack/Ops .* own policies must have .*lock#a",
        "whose own policies must have .*kms:",
    ):
        Annotations.from_stack(stack).has_warning("*", Match.string_like_regexp(part))


def test_an_account_as_a_whole_is_told_what_its_own_policies_still_lack(app):
    stack = cdk.Stack(app, "Stack", env=HERE)
    grant = CoordinationTable(stack, "Table").grant_locks(iam.AccountPrincipal("222222222222"), "a")
    assert not grant.success
    (found,) = Template.from_stack(stack).find_resources("AWS::DynamoDB::GlobalTable").values()
    assert "222222222222:root" in json.dumps(found["Properties"]["Replicas"][0]["ResourcePolicy"])
    lacking = Match.string_like_regexp("account 222222222222 .* own policies must have .*lock#a")
    Annotations.from_stack(stack).has_warning("*", lacking)


def test_an_alias_is_no_key_that_a_grant_could_name(app):
    stack = cdk.Stack(app, "Stack", env=HERE)
    alias = kms.Alias.from_alias_name(stack, "Alias", "alias/receipts")
    for kind in (SigningKey, MacKey):
        with pytest.raises(ValueError, match="Stack/Alias is an alias"):
            kind.from_keys(stack, kind.__name__, alias, alias_name="receipts")
    made = kms.Alias(stack, "Made", alias_name="made", target_key=kms.Key(stack, "Key"))
    table = CoordinationTable.from_table_name(stack, "Table", "ours", encryption_key=made)
    with pytest.raises(ValueError, match="Stack/Made is an alias"):
        table.grant_locks(role_in(stack), "a")


def test_across_accounts_a_keys_own_policy_lets_the_signer_in(app):
    home = cdk.Stack(app, "Home", env=HERE)
    away = cdk.Stack(app, "Away", env=cdk.Environment(account=THERE.account, region=HERE.region))
    signing, mac = SigningKey(home, "Signing", versions=["1", "2"]), MacKey(home, "Mac")
    role = role_in(away, role_name="fixed")
    assert signing.grant_sign(role).success
    assert mac.grant_verify(role).success
    keys = Template.from_stack(home).find_resources("AWS::KMS::Key").values()
    assert len(keys) == 3
    for key in keys:
        _, *theirs = key["Properties"]["KeyPolicy"]["Statement"]
        assert "222222222222:role/fixed" in json.dumps(theirs[0]["Principal"])
        assert "StringEquals" in theirs[0]["Condition"]  # as narrow as the role's own


def test_half_a_grant_on_a_key_is_none_and_says_what_is_missing(app):
    stack = cdk.Stack(app, "Stack", env=HERE)
    far, role = kms.Key.from_key_arn(stack, "Far", FAR_KEY), role_in(stack)
    for kind, verb in ((SigningKey, "grant_sign"), (MacKey, "grant_generate")):
        key = kind.from_keys(stack, kind.__name__, far, alias_name="receipts")
        assert not getattr(key, verb)(role).success
    for action in ("kms:Sign", "kms:GenerateMac"):
        Annotations.from_stack(stack).has_warning("*", Match.string_like_regexp(action))


@pytest.mark.parametrize(
    "arn",
    [
        "ours",
        "arn:aws:s3:::bucket",
        "",
        f"{FAR_ARN}/index/listing",
        FAR_ARN + "/",
        "arn:aws:sqs:eu-west-1:222222222222:table/ours",
    ],
)
def test_what_is_no_arn_of_a_table_is_refused(app, arn):
    with pytest.raises(ValueError, match="table_arn is"):
        CoordinationTable.from_table_arn(cdk.Stack(app, "Stack"), "Table", arn)


def global_table(stack, **props):
    return dynamodb.TableV2(
        stack,
        "Global",
        partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
        time_to_live_attribute="expires",
        global_secondary_indexes=[
            dynamodb.GlobalSecondaryIndexPropsV2(
                index_name="listing",
                partition_key=dynamodb.Attribute(
                    name="listing", type=dynamodb.AttributeType.STRING
                ),
                sort_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            )
        ],
        **props,
    )


def test_a_replica_that_may_be_behind_is_refused(app):
    stack = cdk.Stack(app, "Stack", env=HERE)
    table = global_table(stack, replicas=[dynamodb.ReplicaTableProps(region="eu-west-1")])
    with pytest.raises(ValueError, match="two could hold one lock"):
        CoordinationTable.from_table(stack, "Table", table=table.replica("eu-west-1"))
    CoordinationTable.from_table(stack, "Home", table=table)


def test_metrics_of_dynamodb_are_where_the_table_is(app):
    stack = cdk.Stack(app, "Stack", env=HERE)
    table = CoordinationTable.from_table_arn(stack, "Table", FAR_ARN)
    metric = table.metric_read_throttle_events()
    assert (metric.region, metric.account) == ("eu-west-1", "222222222222")
    assert table.metric_locks_lost().region is None  # where the client runs


def test_a_stack_of_another_region_watches_no_table_or_key_of_its_own_by_mistake(app):
    there, here = (cdk.Stack(app, n, env=place) for n, place in (("There", THERE), ("Here", HERE)))
    table = CoordinationTable(there, "Table", table_name="ours")
    key = kms.Key.from_key_arn(here, "Far", FAR_KEY)
    signing = SigningKey.from_keys(here, "Signing", key, alias_name="ours")
    mac = MacKey.from_keys(here, "Mac", key, alias_name="macs")
    for number, metric in enumerate(
        [table.metric_write_throttle_events(), signing.metric_signatures(), mac.metric_macs()]
    ):
        with pytest.raises(RuntimeError, match="AlarmRegionMismatch"):
            metric.create_alarm(here, f"Alarm{number}", threshold=1, evaluation_periods=1)
    dashboard = cloudwatch.Dashboard(here, "Dashboard")
    dashboard.add_widgets(cloudwatch.GraphWidget(left=[table.metric_write_throttle_events()]))
    assert str(THERE.region) in json.dumps(
        Template.from_stack(here).find_resources("AWS::CloudWatch::Dashboard")
    )
