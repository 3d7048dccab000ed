"""The policy for `cdk bootstrap`: what CloudFormation may do when it deploys the application.

    python -m stacks.execution_policy > policy.json       docs/account.md says what to do with it

Without a policy of one's own, `cdk bootstrap` lets CloudFormation do everything. This one names the
services that the templates use; a test fails when a template needs one that is not here. Roles,
policies and buckets are made below the stacks' own name alone, and roles are handed on to the
services that are listed. It bounds mistakes: a template may still give a role of that name any
right, which only a permissions boundary prevents.
"""

import json
import sys
from typing import Any

PREFIX = "interlock-"
"""With which the names of all stacks begin, and so those of what CloudFormation names for them."""

# By their names in actions. What they make has no name that could be foretold (keys, APIs), or is
# harmless without the roles and the network below.
SERVICES = (
    "acm",
    "apigateway",
    "application-autoscaling",
    "autoscaling",
    "backup",
    "backup-storage",
    "budgets",
    "cloudwatch",
    "codedeploy",
    "cognito-idp",
    "dynamodb",
    "ecs",
    "elasticloadbalancing",
    "kms",
    "lambda",
    "logs",
    "route53",
    "servicediscovery",
    "signer",
    "sns",
    "sqs",
    "wafv2",
)
NETWORK = (
    "AllocateAddress",
    "Associate*",
    "Attach*",
    "Authorize*",
    "Create*",
    "Delete*",
    "Describe*",
    "Detach*",
    "Disassociate*",
    "Get*",
    "Modify*",
    "ReleaseAddress",
    "Replace*",
    "Revoke*",
    "RunInstances",
)
ROLES = (
    "iam:Add*",
    "iam:Attach*",
    "iam:Create*",
    "iam:Delete*",
    "iam:Detach*",
    "iam:Get*",
    "iam:List*",
    "iam:Put*",
    "iam:Remove*",
    "iam:Set*",
    "iam:Tag*",
    "iam:Untag*",
    "iam:Update*",
)
PASSED_TO = (
    "apigateway.amazonaws.com",
    "backup.amazonaws.com",
    "codedeploy.amazonaws.com",
    "ec2.amazonaws.com",
    "ecs-tasks.amazonaws.com",
    "lambda.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
)


def execution_policy(partition: str = "aws") -> dict[str, Any]:
    """Return the policy's document; `partition` is "aws-eusc" for eusc-de-east-1, and so on."""
    arn = f"arn:{partition}"
    own = [f"{arn}:iam::*:{kind}/{PREFIX}*" for kind in ("instance-profile", "policy", "role")]
    handed_on = _allow("HandedOn", ["iam:PassRole"], [own[-1]])
    handed_on["Condition"] = {"StringEquals": {"iam:PassedToService": list(PASSED_TO)}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            _allow("Services", [f"{service}:*" for service in SERVICES], ["*"]),
            _allow("Network", [f"ec2:{action}" for action in NETWORK], ["*"]),
            _allow("Roles", list(ROLES), own),
            handed_on,
            _allow("ServiceRoles", ["iam:CreateServiceLinkedRole"], ["*"]),
            _allow("Buckets", ["s3:*"], [f"{arn}:s3:::{PREFIX}*"]),
            # Code and images that the deployment has published, and the version of `cdk bootstrap`.
            _allow("Assets", ["s3:GetObject*", "s3:GetBucket*"], [f"{arn}:s3:::cdk-*-assets-*"]),
            _allow("Parameters", ["ssm:GetParameter*"], ["*"]),
            # Of the client of a provider that is there already (stacks.sign_in).
            _allow(
                "Secrets",
                ["secretsmanager:GetSecretValue"],
                [f"{arn}:secretsmanager:*:*:secret:{PREFIX}*"],
            ),
        ],
    }


def _allow(name: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resources}


if __name__ == "__main__":
    json.dump(execution_policy(*sys.argv[1:2]), sys.stdout, indent=2)
    sys.stdout.write("\n")
