"""docs/security.md: what no other test looks at, and which test holds each of its rows."""

import json
import re
from pathlib import Path

from tests.stacks.conftest import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
# By the first words of a threat: the tests, of this repository, that fail when its controls go.
HELD = {
    "a stranger calls the API": [
        "test_intent.py::test_every_route_of_the_document_is_deployed_and_wants_a_signature",
        "test_callers.py::test_a_policy_allows_what_people_of_its_role_may_do_and_nothing_more",
    ],
    "a stranger opens the page": [
        "test_people.py::test_only_the_public_keys_are_read_without_signing_in",
        "test_config.py::test_values_that_do_not_go_together_are_refused",
    ],
    "a person who may only read": ["test_people.py::test_the_roles_are_those_of_the_service"],
    "a flood": [
        "test_security.py::test_a_flood_meets_the_limits_that_are_named",
        "test_intent.py::test_the_apis_firewall_does_not_limit_the_service_itself",
    ],
    "known attacks": ["test_security.py::test_firewalls_have_the_rules_that_are_named"],
    "eavesdropping": [
        "test_doors.py::test_the_load_balancer_takes_tls_1_2_and_newer_with_post_quantum_key_exchange",
        "test_doors.py::test_targets_are_reached_over_tls_and_their_health_is_asked_over_it",
        "test_doors.py::test_buckets_queues_and_topics_take_tls_alone",
        "test_intent.py::test_a_certificate_brings_https_with_a_redirect",
    ],
    "a way in to an instance": [
        "test_network.py::test_nothing_from_outside_reaches_an_instance",
        "test_security.py::test_people_reach_instances_by_ssm_alone",
    ],
    "a way out with data": [
        "test_intent.py::test_endpoints_lead_to_this_account_and_to_packages_alone",
        "test_network.py::test_instances_leave_over_tls_alone",
    ],
    "credentials of an instance": ["test_security.py::test_people_reach_instances_by_ssm_alone"],
    "a compromised instance": [
        "test_permissions.py::test_every_wildcard_has_a_reason",
        "test_instances.py::test_people_see_and_break_locks_and_no_other_record_is_seen_for_it",
    ],
    "another site's page": [],  # of the service, not of a template
    "a change is ascribed to another": [
        "test_receipts.py::test_the_services_role_alone_may_name_the_person_for_whom_it_asks"
    ],
    "an instance is made to work": [
        "test_network.py::test_no_hint_comes_from_outside_or_by_the_load_balancer",
        "test_members.py::test_the_key_of_hints_makes_macs_for_members_and_nothing_else",
    ],
    "a forged receipt": [
        "test_receipts.py::test_the_function_signs_with_this_key_and_nothing_else"
    ],
    "a stale holder": [],  # of the library
    "changed code": ["test_receipts.py::test_an_environment_may_have_the_functions_code_signed"],
    "lost or deleted data": [
        "test_intent.py::test_production_is_protected_against_deletion",
        "test_side_by_side.py::test_a_vault_cannot_be_emptied",
        "test_security.py::test_tables_are_recovered_to_any_point_of_35_days",
        "test_stack_policy.py::test_what_keeps_data_is_neither_replaced_nor_deleted_by_an_update",
    ],
    "a service is made to use a key": [
        "test_permissions.py::test_no_key_lets_in_a_service_on_anybodys_behalf",
        "test_security.py::test_key_and_topic_policies_are_bound_to_this_account",
    ],
    "an attack goes unnoticed": [
        "test_security.py::test_what_happens_is_logged_everywhere_that_is_named",
        "test_intent.py::test_firewalls_log_what_they_block_but_no_credentials",
    ],
}


def test_each_row_of_the_page_is_held_by_tests_that_exist():
    part = PAGE.split("| threat | control | where |\n")[1].split("\n\n")[0]
    threats = [line.strip("| ").split(" | ")[0] for line in part.splitlines()[1:]]
    for threat in threats:
        assert sum(threat.startswith(words) for words in HELD) == 1, threat
    assert len(threats) == len(HELD)
    for named in (test for tests in HELD.values() for test in tests):
        path, _, name = named.partition("::")
        source = Path(__file__).with_name(path).read_text("utf-8")
        assert re.search(rf"^def {name}\(", source, re.MULTILINE), named


def rules(acl):
    return {rule["Name"]: rule["Statement"] for rule in acl["Rules"]}


def test_a_flood_meets_the_limits_that_are_named(real):
    for acl in real.of_type("AWS::WAFv2::WebACL").values():
        limit = rules(acl)["RateLimit"]["RateBasedStatement"]
        assert (limit["Limit"], limit["AggregateKeyType"]) == (2000, "IP")
        assert limit.get("EvaluationWindowSec", 300) == 300
    (stage,) = real.of_type("AWS::ApiGateway::Stage").values()
    (settings,) = stage["MethodSettings"]
    assert settings["ThrottlingRateLimit"] > 0 < settings["ThrottlingBurstLimit"]
    functions = real.of_type("AWS::Lambda::Function", "Api").values()
    assert any(each.get("ReservedConcurrentExecutions") for each in functions)


def test_firewalls_have_the_rules_that_are_named(real):
    for acl in real.of_type("AWS::WAFv2::WebACL").values():
        groups = {
            statement["ManagedRuleGroupStatement"]["Name"]: statement["ManagedRuleGroupStatement"]
            for statement in rules(acl).values()
            if "ManagedRuleGroupStatement" in statement
        }
        assert groups.keys() == {
            "AWSManagedRulesAmazonIpReputationList",
            "AWSManagedRulesCommonRuleSet",
            "AWSManagedRulesKnownBadInputsRuleSet",
        }
        spared = {name: group["RuleActionOverrides"] for name, group in groups.items()}
        (counted,) = spared.pop("AWSManagedRulesCommonRuleSet")
        assert counted == {"ActionToUse": {"Count": {}}, "Name": "SizeRestrictions_BODY"}
        assert not any(spared.values())


def test_people_reach_instances_by_ssm_alone(real):
    (template,) = real.of_type("AWS::EC2::LaunchTemplate").values()
    data = template["LaunchTemplateData"]
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert "KeyName" not in data
    # The account's EBS key: a key of one's own would be named.
    assert all("KmsKeyId" not in disk["Ebs"] for disk in data["BlockDeviceMappings"])
    roles = real.of_type("AWS::IAM::Role", "Service").values()
    managed = json.dumps([role.get("ManagedPolicyArns") for role in roles])
    assert "AmazonSSMManagedInstanceCore" in managed


def test_tables_are_recovered_to_any_point_of_35_days(real):
    (table,) = real.of_type("AWS::DynamoDB::GlobalTable").values()
    for replica in table["Replicas"]:
        recovery = replica["PointInTimeRecoverySpecification"]
        assert recovery["PointInTimeRecoveryEnabled"] is True
        assert recovery.get("RecoveryPeriodInDays", 35) == 35


def test_key_and_topic_policies_are_bound_to_this_account(real):
    account = json.loads((ROOT / "cdk.json").read_text())["context"]["environments"][real.name][
        "account"
    ]
    policies = [key["KeyPolicy"] for key in real.of_type("AWS::KMS::Key").values()]
    policies += [each["PolicyDocument"] for each in real.of_type("AWS::SNS::TopicPolicy").values()]
    services = [
        statement
        for policy in policies
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow" and "Service" in statement["Principal"]
    ]
    assert len(services) >= 3
    for statement in services:
        assert account in json.dumps(statement["Condition"]), statement


def test_what_happens_is_logged_everywhere_that_is_named(real):
    (balancer,) = real.of_type("AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    attributes = {each["Key"]: each["Value"] for each in balancer["LoadBalancerAttributes"]}
    assert attributes["access_logs.s3.enabled"] == "true"
    (stage,) = real.of_type("AWS::ApiGateway::Stage").values()
    assert "DestinationArn" in stage["AccessLogSetting"]
    buckets = real.of_type("AWS::S3::Bucket").values()
    assert sum("LoggingConfiguration" in bucket for bucket in buckets) == len(buckets) - 1
    assert len(real.of_type("AWS::WAFv2::LoggingConfiguration")) == 2
    (flows,) = real.of_type("AWS::EC2::FlowLog").values()
    assert flows["TrafficType"] == "ALL"
    for subscription in real.of_type("AWS::SNS::Subscription").values():
        assert "deadLetterTargetArn" in subscription["RedrivePolicy"]


def test_logs_of_load_balancer_and_s3_are_encrypted_by_s3_and_all_else_by_our_keys(real):
    for bucket in real.of_type("AWS::S3::Bucket").values():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    for group in real.of_type("AWS::Logs::LogGroup").values():
        assert "KmsKeyId" in group
    for kind in ("AWS::SNS::Topic", "AWS::SQS::Queue"):
        for made in real.of_type(kind).values():
            assert "KmsMasterKeyId" in made


def test_threat_protection_blocks(synthesized_once):
    (pool,) = synthesized_once("prod").of_type("AWS::Cognito::UserPool").values()
    assert pool["UserPoolAddOns"] == {"AdvancedSecurityMode": "ENFORCED"}
