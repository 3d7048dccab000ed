"""The stack of the API: the counter function, its release, and the REST API before it."""

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from interlock.constructs import CodeSigning, ICoordinationTable, SigningKey
from stacks.config import Environment
from stacks.counters_api import CountersApi
from stacks.counters_function import CountersFunction
from stacks.firewall import Firewall
from stacks.logs import LogsStack
from stacks.network import NetworkStack
from stacks.release import CanaryRelease
from stacks.stack import InterlockStack


class ApiStack(InterlockStack):
    """API Gateway and the counter function."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        logs: LogsStack,
        network: NetworkStack,
        table: ICoordinationTable,
        signing_key: SigningKey,
    ) -> None:
        super().__init__(scope, construct_id, environment=environment)
        self.function = CountersFunction(
            self,
            "Counters",
            environment=environment,
            table=table,
            signing_key=signing_key,
            log_group=logs.log_group(self, "CountersLogs"),
            code_signing_config=self._code_signing(),
        ).function
        release = CanaryRelease(self, "Live", function=self.function)
        self.api = CountersApi(
            self,
            "Api",
            environment=environment,
            alias=release.alias,
            access_logs=logs.log_group(self, "AccessLogs"),
        )
        release.watch_failures(
            self.api.rest_api.metric_server_error(period=cdk.Duration.minutes(1))
        )
        Firewall(
            self,
            "Firewall",
            resource_arn=self.api.stage.stage_arn,
            log_group=logs.firewall_log_group(self, "FirewallLogs"),
            # The service calls for all its clients, whom the load balancer's firewall limits.
            unlimited=network.nat_addresses,
        )
        cdk.CfnOutput(self, "ApiUrl", value=self.api.rest_api.url)
        cdk.CfnOutput(self, "ApiId", value=self.api.rest_api.rest_api_id)
        cdk.CfnOutput(self, "StageName", value=self.api.stage.stage_name)
        cdk.CfnOutput(self, "ReadPolicyArn", value=self.api.read_policy.managed_policy_arn)
        cdk.CfnOutput(self, "ChangePolicyArn", value=self.api.change_policy.managed_policy_arn)
        cdk.CfnOutput(self, "ServiceKeyId", value=self.api.service_key.key_id)

    def _code_signing(self) -> lambda_.ICodeSigningConfig | None:
        if self.settings.code_signing is None:
            return None
        signing = CodeSigning(self, "CodeSigning", enforce=self.settings.code_signing == "enforce")
        cdk.CfnOutput(self, "SigningProfileName", value=signing.profile.signing_profile_name)
        return signing.config
