"""The HTTP API: REST API with IAM authorization, and the function behind it."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from interlock.constructs import CodeSigning, CoordinationTable, RuntimeLayer, SigningKey
from stacks.acknowledgements import (
    HIPAA,
    NIST,
    PCI,
    SERVERLESS,
    acknowledge,
    acknowledge_own_policy,
)
from stacks.config import Environment
from stacks.contract import Contract
from stacks.firewall import protect
from stacks.network import NetworkStack
from stacks.records import RecordsStack
from stacks.release import release

_LAMBDA = Path(__file__).resolve().parent.parent / "lambda"
_POWERTOOLS = ("aws-lambda-powertools", "typing-extensions", "jmespath", "aws-xray-sdk", "wrapt")
_STAGE = "v1"
_PROBLEM = "application/problem+json"


# API Gateway's own refusals, in the same form as the function's. The detail comes quoted.
_REFUSALS = {
    "BAD_REQUEST_BODY": (400, "Bad request", "$context.error.validationErrorString"),
    "BAD_REQUEST_PARAMETERS": (400, "Bad request", "$context.error.validationErrorString"),
    "UNAUTHORIZED": (401, "Unauthorized", "the request is not signed"),
    "ACCESS_DENIED": (403, "Forbidden", "the signer may not call this method"),
    "INVALID_SIGNATURE": (403, "Forbidden", "the signature does not match the request"),
    "EXPIRED_TOKEN": (403, "Forbidden", "the credentials have expired"),
    "INVALID_API_KEY": (403, "Forbidden", "x-api-key is missing, or in no usage plan"),
    "MISSING_AUTHENTICATION_TOKEN": (
        403,
        "Forbidden",
        "no such route, or the request is not signed with SigV4",
    ),
    "RESOURCE_NOT_FOUND": (404, "Not found", "no such route"),
    "REQUEST_TOO_LARGE": (413, "Content too large", "the body is larger than 10 MB"),
    "UNSUPPORTED_MEDIA_TYPE": (415, "Unsupported media type", "send application/json"),
    "QUOTA_EXCEEDED": (429, "Too many requests", "the usage plan's quota is used up"),
    "THROTTLED": (429, "Too many requests", "the rate limit is reached"),
    "DEFAULT_4XX": (None, "Request refused", "$context.error.message"),
    "INTEGRATION_TIMEOUT": (504, "Gateway timeout", "the function did not answer in time"),
    "DEFAULT_5XX": (None, "Internal error", "the request id names this failure in the logs"),
}


class ApiStack(cdk.Stack):
    """API Gateway and the counter function."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        records: RecordsStack,
        network: NetworkStack,
        table: CoordinationTable,
        signing_key: SigningKey,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=environment.aws,
            description="Interlock: API",
            termination_protection=environment.stateful,
            **kwargs,
        )
        self.function = self._add_function(environment, records, table)
        self._let_sign(environment, signing_key)
        self.rest_api = self._add_api(environment, records)
        self.live = release(self.function, self.rest_api)
        self._add_routes()
        self._add_refusals()
        self.service_key = self._add_usage_plan(environment)
        self.invoke_policy = self._add_invoke_policy()
        protect(
            self,
            "Firewall",
            resource_arn=self.rest_api.deployment_stage.stage_arn,
            records=records,
            # The service calls for all its clients, whom the load balancer's firewall limits.
            unlimited=network.nat_addresses,
        )
        cdk.CfnOutput(self, "ApiUrl", value=self.rest_api.url)
        cdk.CfnOutput(self, "ApiId", value=self.rest_api.rest_api_id)
        cdk.CfnOutput(self, "StageName", value=self.rest_api.deployment_stage.stage_name)
        cdk.CfnOutput(self, "ServiceKeyId", value=self.service_key.key_id)

    def _add_function(
        self, environment: Environment, records: RecordsStack, table: CoordinationTable
    ) -> lambda_.Function:
        log_group = records.log_group(self, "CountersLogs")
        role = iam.Role(
            self, "CountersRole", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")
        )
        log_group.grant_write(role)
        function = lambda_.Function(
            self,
            "Counters",
            description="Interlock: counters over HTTP",
            code=lambda_.Code.from_asset(str(_LAMBDA / "counters"), exclude=["__pycache__"]),
            handler="handler.handler",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            memory_size=512,
            timeout=cdk.Duration.seconds(10),
            role=role,
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE,
            snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS,
            reserved_concurrent_executions=environment.reserved_concurrency,
            code_signing_config=self._code_signing(environment),
        )
        layer = RuntimeLayer(
            self, "Runtime", distributions=_POWERTOOLS, description="interlock and Powertools"
        )
        newest = "Python 3.13 is the newest that this is tested with"
        acknowledge(function, "L1", newest)
        acknowledge(function, "LambdaLatestVersion", newest, packs=(SERVERLESS,))
        acknowledge(
            function,
            "LambdaDLQ",
            "invoked by API Gateway, synchronously: a failure is the caller's answer, and Lambda "
            "hands only asynchronous events to a dead-letter queue",
            packs=(SERVERLESS, NIST, HIPAA),
        )
        acknowledge(
            function,
            "LambdaInsideVPC",
            "calls DynamoDB, KMS and X-Ray only, over TLS and by its role; a VPC would add a way "
            "in and out, and protect nothing that it reaches",
            packs=(NIST, HIPAA, PCI),
        )
        acknowledge_own_policy(role)
        acknowledge(role, "IAM5[Resource::*]", "X-Ray's PutTraceSegments has no resource")
        table.attach_to(function, counters=["*"], layer=layer)
        table.grant_inspect_locks(function, "*")
        return function

    def _code_signing(self, environment: Environment) -> lambda_.ICodeSigningConfig | None:
        if environment.code_signing is None:
            return None
        enforce = environment.code_signing == "enforce"
        signing = CodeSigning(self, "CodeSigning", enforce=enforce)
        cdk.CfnOutput(self, "SigningProfileName", value=signing.profile.signing_profile_name)
        return signing.config

    def _let_sign(self, environment: Environment, signing_key: SigningKey) -> None:
        """Let the function sign receipts with this key, verify them, and publish its keys."""
        self.function.add_environment("INTERLOCK_SIGNING_KEY", ",".join(signing_key.key_arns))
        # Not the API's URL: the function would depend on the API, which depends on the function.
        self.function.add_environment("INTERLOCK_ISSUER", f"interlock-{environment.name}")
        signing_key.grant_sign(self.function)
        signing_key.grant_verify(self.function)

    def _add_api(self, environment: Environment, records: RecordsStack) -> apigateway.RestApi:
        burst, rate = environment.throttle
        access_logs = records.log_group(self, "AccessLogs")
        api = apigateway.RestApi(
            self,
            "Api",
            description="Interlock: counters",
            cloud_watch_role=True,
            cloud_watch_role_removal_policy=environment.removal_policy,
            endpoint_types=[apigateway.EndpointType.REGIONAL],
            deploy_options=apigateway.StageOptions(
                stage_name=_STAGE,
                access_log_destination=apigateway.LogGroupLogDestination(access_logs),
                access_log_format=apigateway.AccessLogFormat.json_with_standard_fields(
                    caller=True,
                    http_method=True,
                    ip=True,
                    protocol=True,
                    request_time=True,
                    resource_path=True,
                    response_length=True,
                    status=True,
                    user=True,
                ),
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
        acknowledge(
            api,
            "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
            "AmazonAPIGatewayPushToCloudWatchLogs]",
            "API Gateway's account-wide role wants this policy of AWS",
        )
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

    def _add_routes(self) -> None:
        validator = self.rest_api.add_request_validator(
            "Validator", validate_request_body=True, validate_request_parameters=True
        )
        integration = apigateway.LambdaIntegration(self.live, allow_test_invoke=False)
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
                # Without it a usage plan limits nobody: it knows callers by their keys alone.
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

    def _add_refusals(self) -> None:
        for name, (status, title, detail) in _REFUSALS.items():
            self.rest_api.add_gateway_response(
                "".join(word.capitalize() for word in name.split("_")),
                type=apigateway.ResponseType.of(name),
                status_code=str(status) if status else None,
                response_headers={"Content-Type": f"'{_PROBLEM}'"},
                templates={"application/json": _problem_template(status, title, detail)},
            )

    def _add_invoke_policy(self) -> iam.ManagedPolicy:
        """Make the policy of those who may call the API: every route of its one stage."""
        api, stage = self.rest_api, self.rest_api.deployment_stage
        policy = iam.ManagedPolicy(
            self,
            "Invoke",
            description="Interlock: call the API",
            statements=[
                iam.PolicyStatement(
                    actions=["execute-api:Invoke"],
                    resources=[api.arn_for_execute_api("*", "/*", stage.stage_name)],
                )
            ],
        )
        ids = [self._logical_id(construct) for construct in (api, stage)]
        acknowledge(
            policy,
            f"IAM5[Resource::arn:aws:execute-api:{self.region}:{self.account}:"
            f"<{ids[0]}>/<{ids[1]}>/*/*]",
            "every route of this API's one stage, and no other API's",
        )
        return policy

    def _logical_id(self, construct: Construct) -> str:
        resource = construct.node.default_child
        if not isinstance(resource, cdk.CfnElement):
            raise TypeError(f"{construct.node.path} is no single resource")
        return self.get_logical_id(resource)

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


def _problem_template(status: int | None, title: str, detail: str) -> str:
    """Return the mapping template of a problem."""
    problem = {"type": "about:blank", "title": title, "detail": detail}
    if status:
        problem["status"] = status  # type: ignore[assignment]
    text = json.dumps(problem)
    if detail == "$context.error.message":
        text = text.replace(f'"{detail}"', "$context.error.messageString")
    return text[:-1] + ', "instance": "$context.requestId"}'
