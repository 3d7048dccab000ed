"""Signing keys stay, rotate without replacing anything, and are granted for one use each."""

import json

import pytest
from aws_cdk import App, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Match, Template

from interlock.constructs import CodeSigning, MacKey, SigningKey
from interlock.errors import InvalidValue


@pytest.fixture
def stack():
    return Stack(App(), "Stack")


@pytest.fixture
def role(stack):
    return iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def statements(stack):
    policies = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    return [
        statement
        for policy in policies
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def key_ids(stack):
    return set(Template.from_stack(stack).find_resources("AWS::KMS::Key"))


def test_a_signing_key_signs_es256_and_is_retained(stack):
    SigningKey(stack, "Receipts")
    Template.from_stack(stack).has_resource(
        "AWS::KMS::Key",
        {
            "Properties": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
            "DeletionPolicy": "Retain",
            "UpdateReplacePolicy": "Retain",
        },
    )


def test_rotation_adds_a_key_and_replaces_none():
    """The old key's logical id must not change: CloudFormation would replace the key."""
    before, published, after = (Stack(App(), "Stack") for _ in range(3))
    SigningKey(before, "Receipts", versions=["1"])
    SigningKey(published, "Receipts", versions=["1", "2"], current="1")
    key = SigningKey(after, "Receipts", versions=["1", "2"])
    assert key_ids(before) < key_ids(published) == key_ids(after)
    targets = [
        next(iter(Template.from_stack(s).find_resources("AWS::KMS::Alias").values()))
        for s in (before, published, after)
    ]
    old, still_old, new = (alias["Properties"]["TargetKeyId"] for alias in targets)
    assert old == still_old != new
    assert len({alias["Properties"]["AliasName"] for alias in targets}) == 1
    assert after.resolve(key.key_arns[0]) == new


@pytest.mark.parametrize(
    "props", [{"versions": []}, {"versions": ["1", "1"]}, {"versions": ["1"], "current": "2"}]
)
def test_versions_that_make_no_sense_are_refused(stack, props):
    with pytest.raises(ValueError, match="versions"):
        SigningKey(stack, "Receipts", **props)


def test_a_signer_may_sign_digests_and_nothing_else(stack, role):
    key = SigningKey(stack, "Receipts", versions=["1", "2"])
    key.grant_sign(role).assert_success()
    sign, read = statements(stack)
    assert sign["Action"] == "kms:Sign"
    assert sign["Condition"] == {
        "StringEquals": {"kms:MessageType": "DIGEST", "kms:SigningAlgorithm": ["ECDSA_SHA_256"]}
    }
    assert read["Action"] == "kms:GetPublicKey"
    for statement in (sign, read):
        assert statement["Resource"] == [stack.resolve(arn) for arn in key.key_arns]
        assert "*" not in json.dumps(statement)


def test_a_verifier_may_not_sign(stack, role):
    SigningKey(stack, "Receipts").grant_verify(role)
    (statement,) = statements(stack)
    assert statement["Action"] == ["kms:GetPublicKey", "kms:Verify"]


def test_a_publisher_may_read_only(stack, role):
    SigningKey(stack, "Receipts").grant_read_public_keys(role)
    (statement,) = statements(stack)
    assert statement["Action"] == "kms:GetPublicKey"


def test_an_rsa_key_may_sign_both_ways(stack, role):
    SigningKey(stack, "Receipts", key_spec=kms.KeySpec.RSA_3072).grant_sign(role)
    assert statements(stack)[0]["Condition"]["StringEquals"]["kms:SigningAlgorithm"] == [
        "RSASSA_PSS_SHA_256",
        "RSASSA_PKCS1_V1_5_SHA_256",
    ]


@pytest.mark.parametrize(
    ("spec", "message_type", "algorithm"),
    [
        (kms.KeySpec.ECC_NIST_EDWARDS25519, "RAW", "ED25519_SHA_512"),
        (kms.KeySpec.ML_DSA_44, "EXTERNAL_MU", "ML_DSA_SHAKE_256"),
        (kms.KeySpec.ML_DSA_65, "EXTERNAL_MU", "ML_DSA_SHAKE_256"),
        (kms.KeySpec.ML_DSA_87, "EXTERNAL_MU", "ML_DSA_SHAKE_256"),
    ],
)
def test_a_key_of_each_newer_spec_may_sign_as_the_signer_asks(
    stack, role, spec, message_type, algorithm
):
    SigningKey(stack, "Receipts", key_spec=spec).grant_sign(role)
    Template.from_stack(stack).has_resource_properties("AWS::KMS::Key", {"KeySpec": spec.name})
    assert statements(stack)[0]["Condition"]["StringEquals"] == {
        "kms:MessageType": message_type,
        "kms:SigningAlgorithm": [algorithm],
    }


@pytest.mark.parametrize("spec", [kms.KeySpec.SYMMETRIC_DEFAULT, kms.KeySpec.HMAC_256])
def test_a_spec_that_signs_no_jws_is_refused(stack, spec):
    with pytest.raises(ValueError, match="ECC_NIST_P256"):
        SigningKey(stack, "Receipts", key_spec=spec)


def test_mac_grants_are_apart(stack):
    key = MacKey(stack, "Cookies", removal_policy=RemovalPolicy.DESTROY)
    principal = iam.ServicePrincipal("lambda.amazonaws.com")
    maker = iam.Role(stack, "Maker", assumed_by=principal)
    checker = iam.Role(stack, "Checker", assumed_by=principal)
    key.grant_generate(maker)
    key.grant_verify(checker)
    Template.from_stack(stack).has_resource_properties(
        "AWS::KMS::Key", {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}
    )
    assert sorted(s["Action"] for s in statements(stack)) == ["kms:GenerateMac", "kms:VerifyMac"]
    for statement in statements(stack):
        assert statement["Condition"] == {"StringEquals": {"kms:MacAlgorithm": "HMAC_SHA_256"}}


def test_a_mac_key_needs_a_mac_spec(stack):
    with pytest.raises(ValueError, match="HMAC_256"):
        MacKey(stack, "Cookies", key_spec=kms.KeySpec.ECC_NIST_P256)


def test_keys_that_exist_are_used(stack, role):
    arns = [f"arn:aws:kms:eu-west-1:111122223333:key/{name}" for name in ("new", "old")]
    keys = [kms.Key.from_key_arn(stack, arn[-3:], arn) for arn in arns]
    key = SigningKey.from_keys(stack, "Receipts", *keys, alias_name="alias/receipts")
    key.grant_sign(role)
    assert key.alias.alias_name == "alias/receipts"
    assert key_ids(stack) == set()
    assert {tuple(s["Resource"]) for s in statements(stack)} == {tuple(arns)}
    assert key.metric_signatures().dimensions == {"KeyArn": arns[0], "Operation": "Sign"}


@pytest.mark.parametrize("kind", [SigningKey, MacKey])
@pytest.mark.parametrize(
    ("ids", "alias", "says"),
    [([], "alias/a", "keys is empty"), (["k"], "", "alias_name is empty")],
)
def test_keys_that_cannot_be_used_are_refused(stack, kind, ids, alias, says):
    keys = [kms.Key.from_key_arn(stack, i, f"arn:aws:kms:eu-west-1:1:key/{i}") for i in ids]
    with pytest.raises(ValueError, match=says):
        kind.from_keys(stack, "Receipts", *keys, alias_name=alias)


@pytest.mark.parametrize("name", ["receipts", "alias/receipts"])
def test_an_alias_is_named_with_or_without_its_prefix(stack, name):
    key = SigningKey(stack, "Receipts", alias_name=name)
    (alias,) = Template.from_stack(stack).find_resources("AWS::KMS::Alias").values()
    assert alias["Properties"]["AliasName"] == "alias/receipts"
    again = SigningKey.from_keys(stack, "Again", key.key, alias_name=name)
    assert again.alias.alias_name == "alias/receipts"


@pytest.mark.parametrize("kind", [SigningKey, MacKey])
def test_versions_given_as_one_text_are_refused(stack, kind):
    with pytest.raises(InvalidValue, match=r"write versions=\['12'\]"):
        kind(stack, "Receipts", versions="12")


def test_metrics_are_the_keys_own(stack):
    key = SigningKey(stack, "Receipts")
    metric = key.metric_signatures(period=Duration.minutes(1))
    assert (metric.namespace, metric.metric_name) == ("AWS/KMS", "SuccessfulRequest")
    assert metric.dimensions == {"KeyArn": key.key.key_arn, "Operation": "Sign"}


@pytest.mark.parametrize(("enforce", "action"), [(True, "Enforce"), (False, "Warn")])
def test_unsigned_code_is_refused_or_told(stack, enforce, action):
    CodeSigning(stack, "Code", enforce=enforce)
    template = Template.from_stack(stack)
    template.has_resource_properties(
        "AWS::Lambda::CodeSigningConfig",
        {
            "AllowedPublishers": {"SigningProfileVersionArns": [Match.any_value()]},
            "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": action},
        },
    )
    template.has_resource_properties(
        "AWS::Signer::SigningProfile", {"PlatformId": "AWSLambda-SHA384-ECDSA"}
    )
