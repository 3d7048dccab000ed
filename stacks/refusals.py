"""API Gateway's own refusals, in the form of the function's problem details."""

import json
from http import HTTPStatus

from aws_cdk import aws_apigateway as apigateway

_PROBLEM = "application/problem+json"

_REQUESTS = "urn:interlock:request:"

# By type: status and detail. What API Gateway puts in comes quoted.
_REFUSALS = {
    "BAD_REQUEST_BODY": (HTTPStatus.BAD_REQUEST, "$context.error.validationErrorString"),
    "BAD_REQUEST_PARAMETERS": (HTTPStatus.BAD_REQUEST, "$context.error.validationErrorString"),
    "UNAUTHORIZED": (HTTPStatus.UNAUTHORIZED, "the request is not signed"),
    "ACCESS_DENIED": (HTTPStatus.FORBIDDEN, "the signer may not call this method"),
    "INVALID_SIGNATURE": (HTTPStatus.FORBIDDEN, "the signature does not match the request"),
    "EXPIRED_TOKEN": (HTTPStatus.FORBIDDEN, "the credentials have expired"),
    "INVALID_API_KEY": (HTTPStatus.FORBIDDEN, "x-api-key is missing, or in no usage plan"),
    "MISSING_AUTHENTICATION_TOKEN": (
        HTTPStatus.FORBIDDEN,
        "the request is not signed with SigV4, service execute-api",
    ),
    "WAF_FILTERED": (HTTPStatus.FORBIDDEN, "the firewall refuses the request"),
    "RESOURCE_NOT_FOUND": (HTTPStatus.NOT_FOUND, "there is no such route"),
    "REQUEST_TOO_LARGE": (
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "the body is larger than 10 MB",
    ),
    "UNSUPPORTED_MEDIA_TYPE": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json"),
    "QUOTA_EXCEEDED": (HTTPStatus.TOO_MANY_REQUESTS, "the usage plan's quota is used up"),
    "THROTTLED": (HTTPStatus.TOO_MANY_REQUESTS, "the rate limit is reached"),
    "DEFAULT_4XX": (HTTPStatus.BAD_REQUEST, "$context.error.message"),
    "API_CONFIGURATION_ERROR": (HTTPStatus.INTERNAL_SERVER_ERROR, "the API is misconfigured"),
    "INTEGRATION_FAILURE": (HTTPStatus.BAD_GATEWAY, "the function failed"),
    "INTEGRATION_TIMEOUT": (HTTPStatus.GATEWAY_TIMEOUT, "the function did not answer in time"),
    "DEFAULT_5XX": (
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "the request's id names this failure in the logs",
    ),
}
_FIELDS = {"BAD_REQUEST_BODY": "body", "UNSUPPORTED_MEDIA_TYPE": "Content-Type"}
"""The part of the request at fault, where the type alone says it."""
_RETRY_AFTER = {"THROTTLED": 1, "QUOTA_EXCEEDED": 3600}
"""Seconds to wait. A quota is of a day, a week or a month: an hour later may be soon enough."""
# As RFC 9110 has it; Python before 3.13 has the words of RFC 2616.
_PHRASES = {413: "Content Too Large"}


def add_refusals(api: apigateway.RestApi) -> None:
    """Have an API answer what it refuses itself with problem details (RFC 9457)."""
    for name, (status, detail) in _REFUSALS.items():
        headers = {"Content-Type": f"'{_PROBLEM}'"}
        if name in _RETRY_AFTER:
            headers["Retry-After"] = f"'{_RETRY_AFTER[name]}'"
        api.add_gateway_response(
            "".join(word.capitalize() for word in name.split("_")),
            type=apigateway.ResponseType.of(name),
            status_code=str(status.value),
            response_headers=headers,
            templates={"application/json": _problem_template(status, detail, _FIELDS.get(name))},
        )


def _problem_template(status: HTTPStatus, detail: str, field: str | None) -> str:
    """Return the mapping template of a problem."""
    problem = {
        "type": "about:blank",
        "title": _PHRASES.get(status.value, status.phrase),
        "status": status.value,
        "detail": detail,
        "instance": f"{_REQUESTS}$context.requestId",
        **({"field": field} if field else {}),
    }
    return json.dumps(problem).replace('"$context.error.message"', "$context.error.messageString")
