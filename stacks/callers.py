"""Policies of the API's callers, by route, as server/roles.py has roles for people."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks import regions
from stacks.acknowledgements import acknowledge

EVERYTHING = (("*", "/*"),)
READS = (("GET", "/*"), ("POST", "/receipts/verify"))
CHANGES = (
    *READS,
    ("POST", "/counters/*/increment"),
    ("POST", "/counters/*/decrement"),
    ("POST", "/transfers"),
)


class CallerPolicy(iam.ManagedPolicy):
    """The policy of callers that may use these routes, given as (method, path), of one stage."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        api: apigateway.RestApi,
        routes: Sequence[tuple[str, str]],
        description: str,
    ) -> None:
        stage = api.deployment_stage
        super().__init__(
            scope,
            construct_id,
            description=description,
            statements=[
                iam.PolicyStatement(
                    actions=["execute-api:Invoke"],
                    resources=[
                        api.arn_for_execute_api(method, path, stage.stage_name)
                        for method, path in routes
                    ],
                )
            ],
        )
        stack = cdk.Stack.of(self)
        there = regions.partition(stack.region)  # written out, as the rule reads it
        ids = "/".join(f"<{_logical_id(construct)}>" for construct in (api, stage))
        for method, path in routes:
            if "*" in method + path:
                acknowledge(
                    self,
                    f"IAM5[Resource::arn:{there}:execute-api:{stack.region}:{stack.account}:"
                    f"{ids}/{method}{path}]",
                    "names of counters are any; of this API's one stage, and no other API's",
                )


def _logical_id(construct: Construct) -> str:
    resource = construct.node.default_child
    if not isinstance(resource, cdk.CfnElement):
        raise TypeError(f"{construct.node.path} is no single resource")
    return cdk.Stack.of(construct).get_logical_id(resource)
