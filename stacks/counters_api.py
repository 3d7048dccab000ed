"""The REST API before the counter function, described by its OpenAPI document."""

import json

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks import regions
from stacks.acknowledgements import HIPAA, NIST, PCI, acknowledge
from stacks.callers import CHANGES, EVERYTHING, READS, CallerPolicy
from stacks.config import Environment
from stacks.contract import Contract
from stacks.refusals import add_refusals

_STAGE = "v1"
_TLS = "SecurityPolicy_TLS13_1_2_PQ_2025_09"


class CountersApi(Construct):
    """A REST API with IAM authorization, request validation, throttling and a usage plan.

    `alias` of the function answers all routes of the document. `service_key` makes the service
    known to the usage plan, `invoke_policy` lets a role call every route,
    `read_policy` those that change nothing, `change_policy` those that change values too.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        alias: lambda_.Alias,
        access_logs: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self.rest_api = self._add_api(environment, access_logs)
        self._add_routes(alias)
        add_refusals(self.rest_api)
        self.service_key = self._add_usage_plan(environment)
        self.invoke_policy, self.read_policy, self.change_policy = (
            CallerPolicy(
                self, name, api=self.rest_api, routes=routes, description=f"Interlock: {words}"
            )
            for name, routes, words in (
                ("Invoke", EVERYTHING, "call the API"),
                ("Read", READS, "read counters"),
                ("Change", CHANGES, "read counters and change their values"),
            )
        )

    def grant_read_service_key(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a role read the value of the service's key, and of no other."""
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["apigateway:GET"],
            resource_arns=[
                cdk.Stack.of(self).format_arn(
                    service="apigateway",
                    account="",
                    resource="/apikeys",
                    resource_name=self.service_key.key_id,
                )
            ],
        )

    @property
    def stage(self) -> apigateway.Stage:
        """The one stage of the API."""
        return self.rest_api.deployment_stage

    def _add_api(self, environment: Environment, access_logs: logs.ILogGroup) -> apigateway.RestApi:
        burst, rate = environment.throttle
        api = apigateway.RestApi(
            self,
            "Default",
            # The dimension of its metrics, so of this environment only.
            rest_api_name=f"interlock-{environment.name}",
            description="Interlock: counters",
            # One for all APIs of the account and region: it must not go with this environment.
            cloud_watch_role=environment.api_logging_role,
            cloud_watch_role_removal_policy=(
                cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
                if environment.api_logging_role
                else None
            ),
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            deploy_options=apigateway.StageOptions(
                stage_name=_STAGE,
                access_log_destination=apigateway.LogGroupLogDestination(access_logs),
                access_log_format=apigateway.AccessLogFormat.custom(_access_log_format()),
                logging_level=apigateway.MethodLoggingLevel.ERROR,
                metrics_enabled=True,
                tracing_enabled=True,
                throttling_burst_limit=burst,
                throttling_rate_limit=rate,
            ),
            default_method_options=apigateway.MethodOptions(
                authorization_type=apigateway.AuthorizationType.IAM
            ),
        )
        if environment.api_logging_role:
            acknowledge(
                api,
                "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
                "AmazonAPIGatewayPushToCloudWatchLogs]",
                "API Gateway's account-wide role wants this policy of AWS",
            )
        _harden(api, environment)
        stage = api.deployment_stage
        acknowledge(
            stage,
            "APIGWCacheEnabledAndEncrypted",
            "nothing is cached, because a counter is read as it is now; so nothing is stored",
            packs=(NIST, HIPAA, PCI),
        )
        acknowledge(
            stage,
            "APIGWSSLEnabled",
            "a client certificate is for HTTP backends; this one is Lambda, called by IAM",
            packs=(NIST, HIPAA, PCI),
        )
        return api

    def _add_routes(self, alias: lambda_.Alias) -> None:
        validator = self.rest_api.add_request_validator(
            "Validator", validate_request_body=True, validate_request_parameters=True
        )
        integration = apigateway.LambdaIntegration(alias, allow_test_invoke=False)
        contract = Contract()
        models: dict[str, apigateway.Model] = {}
        for route in contract.routes():
            if route.model is not None and route.model not in models:
                models[route.model] = self._add_model(route.model, contract)
            kind = apigateway.AuthorizationType
            method = self.rest_api.root.resource_for_path(route.path).add_method(
                route.method,
                integration,
                authorization_type=kind.NONE if route.public else kind.IAM,
                # A usage plan knows callers by their keys alone.
                api_key_required=not route.public,
                request_validator=validator,
                request_models=({"application/json": models[route.model]} if route.model else None),
            )
            acknowledge(method, "COG4", "callers are AWS principals: IAM authorizes, not Cognito")
            if route.public:
                acknowledge(method, "APIG4", "the OpenAPI document is meant to be public")

    def _add_model(self, name: str, contract: Contract) -> apigateway.Model:
        model = self.rest_api.add_model(
            name,
            model_name=name,
            content_type="application/json",
            schema=apigateway.JsonSchema(type=apigateway.JsonSchemaType.OBJECT),
        )
        # The typed schema has no list of types ("integer or null"), which the document uses.
        cfn_model = model.node.default_child
        if not isinstance(cfn_model, apigateway.CfnModel):
            raise TypeError(f"model {name} has no CfnModel")
        cfn_model.schema = contract.model(name)
        return model

    def _add_usage_plan(self, environment: Environment) -> apigateway.IApiKey:
        """Give the service a share of the API's rate, and a key by which it is known.

        The key says who is counted, IAM who may call. Another caller gets a plan and a key of its
        own, so that neither can use up what the other has. The value is made by API Gateway and is
        in no template: the instances ask for it when they start.
        """
        burst, rate = environment.throttle
        plan = self.rest_api.add_usage_plan(
            "UsagePlan",
            throttle=apigateway.ThrottleSettings(burst_limit=burst, rate_limit=rate),
        )
        plan.add_api_stage(stage=self.rest_api.deployment_stage)
        key = self.rest_api.add_api_key("ServiceKey")
        plan.add_api_key(key)
        return key


def _access_log_format() -> str:
    """Return the format of a line, by whose fields docs/operations.md has people look."""
    context = apigateway.AccessLogField
    return json.dumps(
        {
            "requestId": context.context_request_id(),
            "ip": context.context_identity_source_ip(),
            "caller": context.context_identity_caller(),
            "user": context.context_identity_user(),
            "userArn": context.context_identity_user_arn(),
            "requestTime": context.context_request_time(),
            "httpMethod": context.context_http_method(),
            "resourcePath": context.context_resource_path(),
            "status": context.context_status(),
            "protocol": context.context_protocol(),
            "responseLength": context.context_response_length(),
            "integration": context.context_integration_status(),
            "latency": context.context_response_latency(),
        }
    )


def _harden(api: apigateway.RestApi, environment: Environment) -> None:
    """Have the API take TLS 1.2 and newer alone, with key exchanges that outlive quantum computers.

    Strict endpoint mode refuses calls whose name of TLS is not that of the request's host:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-security-policies.html
    """
    cfn_api = api.node.default_child
    if not isinstance(cfn_api, apigateway.CfnRestApi):
        raise TypeError("the API is no CfnRestApi")
    if regions.has_tls_policies(environment.region):
        cfn_api.security_policy = _TLS
        cfn_api.endpoint_access_mode = "STRICT"
