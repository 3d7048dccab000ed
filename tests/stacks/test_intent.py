"""What each environment promises, whatever the templates look like."""

import json
from http import HTTPStatus

import pytest

from stacks.contract import Contract
from stacks.emulator import LEFT_OUT, UNKNOWN_TO_EMULATOR
from tests.stacks.policies import rendered, statements


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
    kept = {r["Type"] for r in resources if r.get("DeletionPolicy") == "RetainExceptOnCreate"}
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
        each for each in statements(synthesized.templates) if "apigateway:GET" in each.actions
    ]
    (statement,) = asking
    assert all("/apikeys/" in resource and "*" not in resource for resource in statement.resources)


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
        headers = response["ResponseParameters"]
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        text = response["ResponseTemplates"]["application/json"]
        shape = json.loads(text.replace("$context.error.messageString", '"why"'))
        status = int(response["StatusCode"])
        phrase = {413: "Content Too Large"}.get(status, HTTPStatus(status).phrase)
        assert (shape["type"], shape["status"]) == ("about:blank", status)
        assert shape["title"] == phrase
        assert shape["instance"] == "urn:interlock:request:$context.requestId"
        assert shape["detail"]
        assert ("gatewayresponse.header.Retry-After" in headers) == (status == 429)


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
        assert found == {(443, "HTTPS", "authenticate-oidc"), (80, "HTTP", "redirect")}
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


def _listed(value):
    return value if isinstance(value, list) else [value]


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


def test_the_budget_is_of_this_application_and_tells_of_what_was_spent(real):
    budget = only(real.of_type("AWS::Budgets::Budget"))
    tags = [each["Tags"] for each in budget["Budget"]["FilterExpression"]["And"]]
    assert {tag["Key"]: tag["Values"] for tag in tags} == {
        "application": ["interlock"],
        "environment": [real.name],
    }
    told = [each["Notification"] for each in budget["NotificationsWithSubscribers"]]
    assert ("ACTUAL", 100) in [(each["NotificationType"], each["Threshold"]) for each in told]


def test_nobody_leading_is_seen_by_the_silence(real):
    (alarm,) = (
        alarm
        for alarm in real.of_type("AWS::CloudWatch::Alarm", "Observability").values()
        if alarm["MetricName"] == "Leading"
    )
    assert alarm["TreatMissingData"] == "breaching"
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)


def test_every_alarm_tells_somebody_and_says_what_to_do(synthesized):
    alarms = synthesized.of_type("AWS::CloudWatch::Alarm", "Observability").values()
    wanted = {
        *("5XXError", "Errors", "Throttles", "UnHealthyHostCount"),
        *("HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"),
        *("ReadThrottleEvents", "WriteThrottleEvents", "TransactionConflict"),
        *("ConditionalCheckFailedRequests", "LocksLost", "LockWaitTime", "SigningErrors"),
        *("ApproximateNumberOfMessagesVisible", "Latency", "TargetResponseTime", "Leading"),
    }
    # Single metrics: the emulator has no alarms on expressions.
    assert wanted == {alarm["MetricName"] for alarm in alarms}
    for alarm in alarms:
        assert alarm["AlarmActions"]
        assert alarm["OKActions"]
        assert ": " in alarm["AlarmDescription"]


def test_alarms_may_publish_to_their_topic(synthesized):
    """A topic's own policy replaces the default one, so it has to say so."""
    policy = only(synthesized.of_type("AWS::SNS::TopicPolicy"))["PolicyDocument"]
    allowed = [s for s in policy["Statement"] if s["Effect"] == "Allow"]
    assert [(s["Action"], s["Principal"]) for s in allowed] == [
        ("sns:Publish", {"Service": "cloudwatch.amazonaws.com"})
    ]


def test_callers_reach_the_released_version_which_starts_from_a_snapshot(synthesized):
    function = only(
        {
            name: properties
            for name, properties in synthesized.of_type("AWS::Lambda::Function", "Api").items()
            if properties["Handler"] == "handler.handler"
        }
    )
    assert function["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    alias = only(
        {
            name: alias
            for name, alias in synthesized.templates["Api"]["Resources"].items()
            if alias["Type"] == "AWS::Lambda::Alias"
        }
    )
    assert "Fn::GetAtt" in alias["Properties"]["FunctionVersion"]
    for method in synthesized.of_type("AWS::ApiGateway::Method").values():
        assert "Live" in json.dumps(method["Integration"]["Uri"])
    released = "CodeDeployLambdaAliasUpdate" in alias.get("UpdatePolicy", {})
    assert released is (synthesized.name != "local")


def test_a_release_is_a_canary_that_alarms_roll_back(real):
    group = only(real.of_type("AWS::CodeDeploy::DeploymentGroup"))
    assert group["DeploymentConfigName"] == "CodeDeployDefault.LambdaCanary10Percent5Minutes"
    assert {"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"} <= set(
        group["AutoRollbackConfiguration"]["Events"]
    )
    assert len(group["AlarmConfiguration"]["Alarms"]) == 3


def test_every_log_group_is_encrypted_with_the_key_of_the_records(real):
    groups = real.of_type("AWS::Logs::LogGroup")
    assert len(groups) == 6
    for group in groups.values():
        assert "Key" in json.dumps(group["KmsKeyId"])
        assert group["RetentionInDays"]


def test_firewalls_log_what_they_block_but_no_credentials(real):
    configurations = real.of_type("AWS::WAFv2::LoggingConfiguration")
    assert len(configurations) == 2
    for configuration in configurations.values():
        assert configuration["LoggingFilter"]["DefaultBehavior"] == "DROP"
        assert configuration["RedactedFields"] == [{"SingleHeader": {"Name": "authorization"}}]
    names = {
        rendered(group.get("LogGroupName", ""))
        for group in real.of_type("AWS::Logs::LogGroup").values()
    }
    assert sum(name.startswith("aws-waf-logs-") for name in names) == 2


def test_the_apis_firewall_does_not_limit_the_service_itself(real):
    """All clients' calls come from the NAT gateways: one address of them is no flood."""
    addresses = only(real.of_type("AWS::WAFv2::IPSet"))["Addresses"]
    assert len(addresses) == len(real.of_type("AWS::EC2::NatGateway"))


def test_logs_are_kept_for_a_time_in_buckets_that_log_themselves(synthesized):
    buckets = synthesized.of_type("AWS::S3::Bucket")
    assert set(buckets) == {n for n in buckets if n.startswith("Records.")}
    for bucket in buckets.values():
        (rule,) = bucket["LifecycleConfiguration"]["Rules"]
        assert rule["ExpirationInDays"] >= 1
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert sum("LoggingConfiguration" in bucket for bucket in buckets.values()) == 1


def test_endpoints_lead_to_this_account_and_to_packages_alone(real):
    gateways = [
        endpoint["PolicyDocument"]["Statement"]
        for endpoint in real.of_type("AWS::EC2::VPCEndpoint").values()
        if endpoint["VpcEndpointType"] == "Gateway"
    ]
    assert len(gateways) == 2
    for statement in (s for policy in gateways for s in policy):
        bound = statement.get("Condition", {}).get("StringEquals", {})
        assert "aws:ResourceAccount" in bound or "*" not in _listed(statement["Resource"])


def test_production_is_protected_against_deletion(synthesized):
    balancer = only(synthesized.of_type("AWS::ElasticLoadBalancingV2::LoadBalancer"))
    attributes = {a["Key"]: a["Value"] for a in balancer["LoadBalancerAttributes"]}
    stateful = "true" if synthesized.name == "prod" else "false"
    assert attributes["deletion_protection.enabled"] == stateful
    assert synthesized.protected is (synthesized.name == "prod")
