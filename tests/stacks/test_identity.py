"""What is stateful keeps its logical id: another id is a new, empty resource for CloudFormation."""

import aws_cdk as cdk
from aws_cdk.assertions import Template
from syrupy.extensions.json import JSONSnapshotExtension

from interlock.constructs import CodeSigning, CoordinationTable, MacKey, SigningKey

STATEFUL = {
    "AWS::Backup::BackupVault",
    "AWS::Cognito::UserPool",
    "AWS::DynamoDB::GlobalTable",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::Signer::SigningProfile",
}
# What CloudFormation replaces a resource for when it changes.
FIXED = {
    "AWS::DynamoDB::GlobalTable": ("TableName", "KeySchema"),
    "AWS::KMS::Key": ("KeySpec", "KeyUsage"),
}
ADVICE = (
    "this change would have CloudFormation replace a stateful resource of all who deployed it: "
    "its data, or what its key has signed, would be left behind. Construct ids are a public "
    "contract; give the old one back. Only where no one has deployed it: make snapshot-update"
)


def identities(resources):
    return {
        logical_id: {
            "type": resource["Type"],
            **{
                name: resource.get("Properties", {}).get(name)
                for name in FIXED.get(resource["Type"], ())
            },
        }
        for logical_id, resource in resources.items()
        if resource["Type"] in STATEFUL
    }


def test_stateful_resources_of_the_application_stay_where_they_are(real, snapshot):
    found = {stack: identities(template["Resources"]) for stack, template in real.templates.items()}
    assert found == snapshot.use_extension(JSONSnapshotExtension), ADVICE


def test_stateful_resources_of_the_constructs_stay_where_they_are(snapshot):
    stack = cdk.Stack(cdk.App(), "Stack")
    CoordinationTable(stack, "Coordination")
    SigningKey(stack, "Signing", versions=["1", "2"])
    MacKey(stack, "Mac")
    CodeSigning(stack, "Code")
    found = identities(Template.from_stack(stack).to_json()["Resources"])
    assert found == snapshot.use_extension(JSONSnapshotExtension), ADVICE
