"""API Gateway's own refusals, in the form of the function's problem details."""

import json

from aws_cdk import aws_apigateway as apigateway

_PROBLEM = "application/problem+json"

# By type: status, title, detail. The details of API Gateway come quoted.
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


def add_refusals(api: apigateway.RestApi) -> None:
    """Have an API answer what it refuses itself with problem details (RFC 9457)."""
    for name, (status, title, detail) in _REFUSALS.items():
        api.add_gateway_response(
            "".join(word.capitalize() for word in name.split("_")),
            type=apigateway.ResponseType.of(name),
            status_code=str(status) if status else None,
            response_headers={"Content-Type": f"'{_PROBLEM}'"},
            templates={"application/json": _problem_template(status, title, detail)},
        )


def _problem_template(status: int | None, title: str, detail: str) -> str:
    """Return the mapping template of a problem."""
    problem = {"type": "about:blank", "title": title, "detail": detail}
    if status:
        problem["status"] = status  # type: ignore[assignment]
    text = json.dumps(problem)
    if detail == "$context.error.message":
        text = text.replace(f'"{detail}"', "$context.error.messageString")
    return text[:-1] + ', "instance": "$context.requestId"}'
