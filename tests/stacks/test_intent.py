"""What each environment promises, whatever the templates look like."""

import json

import pytest

from stacks.contract import Contract
from stacks.emulator import LEFT_OUT, UNKNOWN_TO_EMULATOR


def only(resources):
    (properties,) = resources.values()
    return properties


def test_table_is_encrypted_recoverable_and_expires_its_garbage(synthesized):
    table = only(synthesized.of_type("AWS::DynamoDB::GlobalTable"))
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    (replica,) = table["Replicas"]
    assert replica["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert replica["DeletionProtectionEnabled"] is (synthesized.name == "prod")


def test_data_of_a_stateful_environment_outlives_its_stack(synthesized):
    resources = synthesized.templates["Data"]["Resources"].values()
    kept = {r["Type"] for r in resources if r.get("DeletionPolicy") == "Retain"}
    wanted = {"AWS::Backup::BackupVault", "AWS::DynamoDB::GlobalTable", "AWS::KMS::Key"}
    assert kept == (wanted if synthesized.name == "prod" else set())


def test_every_symmetric_key_rotates(synthesized):
    keys = synthesized.of_type("AWS::KMS::Key").values()
    symmetric = [k for k in keys if k.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"]
    assert symmetric
    assert all(key["EnableKeyRotation"] for key in symmetric)


def test_every_route_of_the_document_is_deployed_and_wants_a_signature(synthesized):
    methods = synthesized.of_type("AWS::ApiGateway::Method").values()
    routes = list(Contract().routes())
    assert len(methods) == len(routes)
    wanted = sorted((route.method, "NONE" if route.public else "AWS_IAM") for route in routes)
    assert sorted((m["HttpMethod"], m["AuthorizationType"]) for m in methods) == wanted
    assert sum("RequestModels" in m for m in methods) == sum(r.model is not None for r in routes)


def test_a_usage_plan_counts_callers_by_a_key_that_only_the_instances_may_ask_for(synthesized):
    methods = synthesized.of_type("AWS::ApiGateway::Method").values()
    assert all(m["ApiKeyRequired"] is (m["AuthorizationType"] == "AWS_IAM") for m in methods)
    plan = only(synthesized.of_type("AWS::ApiGateway::UsagePlan"))
    assert plan["Throttle"].keys() == {"BurstLimit", "RateLimit"}
    assert only(synthesized.of_type("AWS::ApiGateway::UsagePlanKey"))["KeyType"] == "API_KEY"
    key = only(synthesized.of_type("AWS::ApiGateway::ApiKey"))
    assert "Value" not in key  # API Gateway makes it, so that no template has it
    asking = [
        statement
        for template in synthesized.templates.values()
        for statement in _statements(template)
        if "apigateway:GET" in _listed(statement.get("Action", []))
    ]
    (statement,) = asking
    assert "/apikeys/" in json.dumps(statement["Resource"])
    assert "*" not in json.dumps(statement["Resource"])


def test_request_models_are_draft_4_without_references(synthesized):
    models = synthesized.of_type("AWS::ApiGateway::Model")
    assert models
    for model in models.values():
        assert model["Schema"]["$schema"] == "http://json-schema.org/draft-04/schema#"
        assert "$ref" not in json.dumps(model["Schema"])


def test_refusals_of_the_gateway_are_problem_details(synthesized):
    responses = synthesized.of_type("AWS::ApiGateway::GatewayResponse")
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= {r["ResponseType"] for r in responses.values()}
    for response in responses.values():
        (header,) = response["ResponseParameters"].values()
        assert header == "'application/problem+json'"
        text = response["ResponseTemplates"]["application/json"]
        shape = json.loads(text.replace("$context.error.messageString", '"why"'))
        assert shape.keys() >= {"type", "title", "detail", "instance"}


def test_instances_want_imdsv2_and_encrypted_disks_and_have_no_key(synthesized):
    template = only(synthesized.of_type("AWS::EC2::LaunchTemplate"))["LaunchTemplateData"]
    assert template["MetadataOptions"]["HttpTokens"] == "required"
    assert all(d["Ebs"]["Encrypted"] for d in template["BlockDeviceMappings"])
    assert "KeyName" not in template


def test_service_runs_unprivileged_under_systemd(synthesized):
    template = only(synthesized.of_type("AWS::EC2::LaunchTemplate"))["LaunchTemplateData"]
    script = json.dumps(template["UserData"])
    for part in ("User=interlock", "NoNewPrivileges=yes", "-m server", "aws s3 cp"):
        assert part in script


def test_a_certificate_brings_https_with_a_redirect(synthesized):
    listeners = synthesized.of_type("AWS::ElasticLoadBalancingV2::Listener").values()
    found = {(x["Port"], x["Protocol"], x["DefaultActions"][0]["Type"]) for x in listeners}
    if synthesized.name == "prod":
        assert found == {(443, "HTTPS", "forward"), (80, "HTTP", "redirect")}
    else:
        assert found == {(80, "HTTP", "forward")}


def test_group_waits_for_signals_and_replaces_what_fails_its_health_check(real):
    resources = real.templates["Service"]["Resources"].values()
    (group,) = (r for r in resources if r["Type"] == "AWS::AutoScaling::AutoScalingGroup")
    assert group["CreationPolicy"]["ResourceSignal"]["Count"] == int(group["Properties"]["MinSize"])
    assert group["UpdatePolicy"]["AutoScalingRollingUpdate"]["WaitOnResourceSignals"] is True
    assert group["Properties"]["HealthCheckType"] == "ELB"  # EC2's own are always on


@pytest.mark.parametrize("stack", ["Network", "Data", "Api", "Service", "Observability"])
def test_emulator_is_spared_what_it_does_not_know(synthesized, stack):
    template = synthesized.templates[stack]
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    left_out = set(template.get("Metadata", {}).get(LEFT_OUT, ()))
    if synthesized.name == "local":
        assert not kinds & UNKNOWN_TO_EMULATOR
        assert left_out <= UNKNOWN_TO_EMULATOR
    else:
        assert not left_out


def test_network_leaves_out_exactly_its_guards_for_the_emulator(synthesized):
    metadata = synthesized.templates["Network"].get("Metadata", {})
    expected = {
        "AWS::EC2::FlowLog",
        "AWS::EC2::NetworkAcl",
        "AWS::EC2::NetworkAclEntry",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::SubnetNetworkAclAssociation",
    }
    assert set(metadata.get(LEFT_OUT, ())) == (expected if synthesized.name == "local" else set())


def test_wildcard_actions_are_only_those_with_a_reason(real):
    reasons = {
        # A key's own policy names the account's administrators, or nobody could manage it.
        *((stack, "kms:*") for stack in ("Network", "Data", "Observability")),
        # The grant of a service principal on a key.
        *((stack, action) for stack in ("Observability",) for action in _KEY_WILDCARDS),
        *((stack, action) for stack in ("Network",) for action in _KEY_WILDCARDS),
        ("Network", "kms:Describe*"),
    }
    found = {
        (stack, action)
        for stack, template in real.templates.items()
        for statement in _statements(template)
        for action in _listed(statement.get("Action", []))
        if "*" in action and statement["Effect"] == "Allow"
    }
    assert found <= reasons


_KEY_WILDCARDS = ("kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:Encrypt*", "kms:Decrypt*")


def _listed(value):
    return value if isinstance(value, list) else [value]


def _statements(node):
    if isinstance(node, dict):
        if isinstance(node.get("Statement"), list):
            yield from node["Statement"]
        for part in node.values():
            yield from _statements(part)
    elif isinstance(node, list):
        for part in node:
            yield from _statements(part)


def test_the_counter_function_may_sign_digests_with_its_key_and_no_other(synthesized):
    (role,) = (
        policy
        for name, policy in synthesized.of_type("AWS::IAM::Policy", "Api").items()
        if name.startswith("Api.CountersRole")
    )
    signing = [s for s in role["PolicyDocument"]["Statement"] if "kms:Sign" in _listed(s["Action"])]
    (statement,) = signing
    assert statement["Action"] == "kms:Sign"
    assert statement["Condition"]["StringEquals"]["kms:MessageType"] == "DIGEST"
    assert statement["Resource"] != "*"


def test_both_doors_have_a_firewall_with_a_rate_limit(real):
    assert len(real.of_type("AWS::WAFv2::WebACLAssociation")) == 2
    for acl in real.of_type("AWS::WAFv2::WebACL").values():
        rules = {rule["Name"] for rule in acl["Rules"]}
        assert {"RateLimit", "AWSManagedRulesCommonRuleSet"} <= rules


def test_a_real_environment_has_a_budget_and_a_stateful_one_backups(synthesized):
    assert len(synthesized.of_type("AWS::Budgets::Budget")) == (synthesized.name != "local")
    assert len(synthesized.of_type("AWS::Backup::BackupSelection")) == (synthesized.name == "prod")


def test_every_alarm_tells_somebody_and_says_what_to_do(synthesized):
    alarms = synthesized.of_type("AWS::CloudWatch::Alarm", "Observability").values()
    throttles = {"ReadThrottleEvents", "WriteThrottleEvents"}
    # Single metrics: the emulator has no alarms on expressions.
    assert {"5XXError", "Errors", "UnHealthyHostCount", *throttles} == {
        alarm["MetricName"] for alarm in alarms
    }
    for alarm in alarms:
        assert alarm["AlarmActions"]
        assert ":" in alarm["AlarmDescription"]
