"""The function that answers the API: counters on the coordination table, receipts by KMS."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from interlock.constructs import ICoordinationTable, RuntimeLayer, SigningKey
from interlock.constructs.bytecode import bundled_code
from stacks.acknowledgements import (
    HIPAA,
    NIST,
    PCI,
    SERVERLESS,
    acknowledge,
    acknowledge_own_policy,
)
from stacks.config import Environment

_CODE = Path(__file__).resolve().parent.parent / "lambda" / "counters"
_RUNTIME = lambda_.Runtime.PYTHON_3_13
POWERTOOLS = ("aws-lambda-powertools", "typing-extensions", "jmespath", "aws-xray-sdk", "wrapt")


def code_files() -> dict[str, Path]:
    """Return the function's own files, by their names in its asset."""
    return {path.name: path for path in (*_CODE.glob("*.py"), _CODE / "openapi.json")}


class CountersFunction(Construct):
    """The counter function with its role, its layer and all that it may do."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        table: ICoordinationTable,
        signing_key: SigningKey,
        log_group: logs.LogGroup,
        code_signing_config: lambda_.ICodeSigningConfig | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        acknowledge_own_policy(role)
        acknowledge(role, "IAM5[Resource::*]", "X-Ray's PutTraceSegments has no resource")
        log_group.grant_write(role)
        self.function = lambda_.Function(
            self,
            "Default",
            description="Interlock: counters over HTTP",
            code=bundled_code(self, code_files(), place="/var/task", runtimes=[_RUNTIME]),
            handler="handler.handler",
            runtime=_RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=512,
            timeout=cdk.Duration.seconds(10),
            role=role,
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
            snap_start=(
                lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS
                if environment.starts_from_snapshots
                else None
            ),
            reserved_concurrent_executions=environment.reserved_concurrency,
            code_signing_config=code_signing_config,
            environment={
                "INTERLOCK_SIGNING_KEY": ",".join(signing_key.key_arns),
                # Not the API's URL: the function would depend on the API, which depends on it.
                "INTERLOCK_ISSUER": f"interlock-{environment.name}",
                # By name, for the same reason: who may say for which person it asks.
                "INTERLOCK_SPEAKER": cdk.Stack.of(self).format_arn(
                    service="sts",
                    region="",
                    resource="assumed-role",
                    resource_name=environment.service_role,
                ),
            },
        )
        self._acknowledge()
        layer = RuntimeLayer(
            self,
            "Runtime",
            distributions=POWERTOOLS,
            compiled_for=[_RUNTIME],
            aio=False,
            description="interlock and Powertools",
        )
        table.attach_to(self.function, counters=["*"], layer=layer)
        table.grant_inspect_locks(self.function, "*")
        signing_key.grant_sign(self.function)
        signing_key.grant_verify(self.function)

    def _acknowledge(self) -> None:
        newest = "Python 3.13 is the newest that this is tested with"
        acknowledge(self.function, "L1", newest)
        acknowledge(self.function, "LambdaLatestVersion", newest, packs=(SERVERLESS,))
        acknowledge(
            self.function,
            "LambdaDLQ",
            "invoked by API Gateway, synchronously: a failure is the caller's answer, and Lambda "
            "hands only asynchronous events to a dead-letter queue",
            packs=(SERVERLESS, NIST, HIPAA),
        )
        acknowledge(
            self.function,
            "LambdaInsideVPC",
            "calls DynamoDB, KMS and X-Ray only, over TLS and by its role; a VPC would add a way "
            "in and out, and protect nothing that it reaches",
            packs=(NIST, HIPAA, PCI),
        )
