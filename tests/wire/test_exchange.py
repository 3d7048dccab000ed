"""A request has its bytes, and each answer its meaning."""

import json
import sys
import time
import zlib

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from interlock._protocol.faults import NoReply, Refused
from interlock._protocol.requests import Call
from interlock._wire import exchange as wire
from interlock._wire.credentials import Credentials
from interlock._wire.endpoints import parse
from interlock._wire.exchange import Exchange, answered, date_of
from interlock._wire.http1 import Response

NOW = 1_700_000_000.0
KEY = {"pk": {"S": "a"}}
GET = Call("GetItem", {"TableName": "t", "Key": KEY})
PUT = Call("PutItem", {"Item": KEY, "ConditionExpression": "attribute_not_exists(pk)"})
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


def exchange(url="http://store.example", service="dynamodb", **environ):
    return Exchange(wire.SERVICES[service], parse(url, "eu-north-1"), environ)


def response(status, body, **headers):
    return Response(status, {"x-amzn-requestid": "R"} | headers, body, True)  # noqa: FBT003 - the field's place


def outcome(status, body, call=GET, **headers):
    try:
        return exchange().reply(call, response(status, body, **headers))
    except (NoReply, Refused) as fault:
        return fault


def signed_by_botocore(url, service, headers, body, token):
    request = AWSRequest("POST", url, headers=headers, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(BotocoreCredentials("AKID", "secret", token), service, "eu-north-1")
    canonical = auth.canonical_request(request)
    return auth.signature(auth.string_to_sign(request, canonical), request)


@pytest.mark.parametrize(
    ("service", "target", "version"),
    [("dynamodb", "DynamoDB_20120810", "1.0"), ("kms", "TrentService", "1.1")],
)
@pytest.mark.parametrize("path", ["/", "/a%20path/x"])
@pytest.mark.parametrize("token", [None, "token"])
def test_a_request_has_its_bytes(service, target, version, path, token):
    url = f"http://store.example:8000{path}"
    made = exchange(url, service).request(GET, Credentials("AKID", "secret", token), NOW)
    body = b'{"TableName":"t","Key":{"pk":{"S":"a"}}}'
    headers = {
        "content-type": f"application/x-amz-json-{version}",
        "host": "store.example:8000",
        "x-amz-date": "20231114T221320Z",
        **({"x-amz-security-token": token} if token else {}),
        "x-amz-target": f"{target}.GetItem",
    }
    authorization = (
        f"AWS4-HMAC-SHA256 Credential=AKID/20231114/eu-north-1/{service}/aws4_request, "
        f"SignedHeaders={';'.join(headers)}, "
        f"Signature={signed_by_botocore(url, service, headers, body, token)}"
    )
    lines = [
        f"POST {path} HTTP/1.1",
        "host: store.example:8000",
        f"content-type: application/x-amz-json-{version}",
        "accept-encoding: identity",
        f"user-agent: interlock lang/python#{PYTHON}",
        "x-amz-date: 20231114T221320Z",
        f"x-amz-target: {target}.GetItem",
        *([f"x-amz-security-token: {token}"] if token else []),
        f"authorization: {authorization}",
        "content-length: 40",
    ]
    assert made.decode() == "\r\n".join([*lines, "", ""]) + body.decode()


@pytest.mark.parametrize(
    ("environ", "traced"),
    [
        ({"AWS_LAMBDA_FUNCTION_NAME": "f", "_X_AMZN_TRACE_ID": "Root=1"}, True),
        ({"AWS_LAMBDA_FUNCTION_NAME": "f"}, False),
        ({"_X_AMZN_TRACE_ID": "Root=1"}, False),
    ],
)
def test_only_a_function_passes_a_trace_on(environ, traced):
    made = exchange(**environ).request(GET, Credentials("a", "b"), NOW)
    assert (b"\r\nx-amzn-trace-id: Root=1\r\n" in made) is traced
    assert (b"x-amzn-trace-id" in made) is traced


@pytest.mark.parametrize(
    "credentials",
    [
        Credentials("\xe4", "b"),
        Credentials("a\n", "b"),
        Credentials("a", "b", "token\n"),
        Credentials("a", "b", "t\r\nx: y"),
    ],
)
def test_credentials_that_are_no_line_of_ascii_are_refused_unsent(credentials):
    with pytest.raises(Refused) as refusal:
        exchange().request(GET, credentials, NOW)
    assert refusal.value.code == "InvalidClientTokenId"


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_has_no_json_is_refused_unsent(value):
    with pytest.raises(Refused) as refusal:
        exchange().request(Call("PutItem", {"Item": {"a": value}}), Credentials("a", "b"), NOW)
    assert refusal.value.code == "ParamValidationError"


def test_an_answer_needs_no_checksum_and_keeps_one_that_it_has():
    assert outcome(200, b"{}") == {}
    assert outcome(200, b"{}", **{"x-amz-crc32": str(zlib.crc32(b"{}"))}) == {}
    assert isinstance(outcome(200, b"{}", **{"x-amz-crc32": "1"}), NoReply)


@pytest.mark.parametrize(
    "found",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"Item": {"pk": {"S": "a"}, "b": {"B": "!"}}}',
        b'{"Item": {"pk": {"S": "a"}, "b": {"BS": [5]}}}',
        pytest.param(b"[" * 100_000, id="lists in lists"),
        pytest.param(
            b'{"Item": {"pk": {"S": "a"}, "l": %s"x"%s}}' % (b'{"L": [' * 3000, b"]}" * 3000),
            id="values in values",
        ),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_what_cannot_be_read_is_a_lost_reply(status, found):
    assert isinstance(outcome(status, found), NoReply)


def test_a_request_that_timed_out_on_a_kept_connection_may_have_been_read():
    fine = response(200, b"{}")
    assert answered(fine) is fine
    with pytest.raises(NoReply, match="closing"):
        answered(response(408, b""))


@pytest.mark.parametrize(
    ("status", "error", "code", "message"),
    [
        (400, {"__type": "ns#AccessDeniedException", "message": "m"}, "AccessDeniedException", "m"),
        (400, {"__type": "X", "Message": "M"}, "X", "M"),
        (400, {"code": "X:http://where", "message": 5}, "X", ""),
        (408, {"message": "m"}, "RequestTimeout", "m"),
        (429, {}, "ThrottlingException", ""),
        (429, {"__type": "ns#RequestLimitExceeded"}, "RequestLimitExceeded", ""),
    ],
)
def test_a_refusal_has_its_code_and_message(status, error, code, message):
    found = outcome(status, json.dumps(error).encode())
    assert isinstance(found, Refused)
    assert (found.code, found.message) == (code, message)


@pytest.mark.parametrize("status", [400, 429])
def test_a_refusal_says_which_limit_was_met(status):
    told = {"reason": "TableReadThroughputExceeded", "resource": "arn"}
    error = {"__type": "ThrottlingException", "ThrottlingReasons": [told]}
    found = outcome(status, json.dumps(error).encode())
    assert isinstance(found, Refused)
    assert found.throttling == ("TableReadThroughputExceeded of arn",)


def test_a_refused_condition_brings_the_item_that_is_there():
    error = {"__type": "ConditionalCheckFailedException", "Item": KEY}
    found = outcome(400, json.dumps(error).encode(), PUT)
    assert isinstance(found, Refused)
    assert found.item == KEY


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (201, {}),
        (399, {"__type": "AccessDeniedException"}),
        (500, {"__type": "AccessDeniedException"}),
        (403, {"message": "a proxy's"}),
    ],
)
def test_another_answer_says_nothing_of_the_call(status, error):
    assert isinstance(outcome(status, json.dumps(error).encode()), NoReply)


@pytest.mark.parametrize("status", [200, 400])
def test_an_answer_without_a_request_id_is_not_the_services(status):
    body = b'{"__type": "AccessDeniedException"}'
    with pytest.raises(NoReply, match="request id"):
        exchange().reply(GET, Response(status, {}, body, True))  # noqa: FBT003 - the field's place


@pytest.mark.parametrize("body", ["", "<html>", "[" * 100_000], ids=["none", "a page", "too deep"])
def test_too_many_calls_are_too_many_whatever_the_body_says(body):
    found = outcome(429, body.encode())
    assert isinstance(found, Refused)
    assert found.throttled


def test_a_code_may_stand_in_a_header_alone():
    found = outcome(403, b"", **{"x-amzn-errortype": "AccessDeniedException:http://where"})
    assert isinstance(found, Refused)
    assert found.code == "AccessDeniedException"


def test_a_cancelled_transaction_brings_its_reasons():
    error = {"__type": "TransactionCanceledException", "CancellationReasons": [{"Code": "None"}]}
    call = Call("TransactWriteItems", {"TransactItems": [{}]})
    found = outcome(400, json.dumps(error).encode(), call)
    assert isinstance(found, Refused)
    assert [reason.code for reason in found.reasons] == ["None"]


@pytest.mark.parametrize(
    ("date", "instant"),
    [
        ("Tue, 14 Nov 2023 22:13:20 GMT", NOW),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 1_704_067_200),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
        ("Sun, 31 Dec 2023 24:00:00 GMT", None),
        ("Sun, 31 Dec 2023 23:60:00 GMT", None),
        ("Sun, 31 Dec 2023 23:59:61 GMT", None),
        ("Sun, 31 Feb 2023 23:59:00 GMT", None),
        ("Sun, 31 Foo 2023 23:59:00 GMT", None),
        ("Sun, 31 Dec 0000 23:59:00 GMT", None),
        ("Sun, 31 Dec 2023 23:59:00", None),
    ],
)
def test_the_date_of_an_answer_is_the_services_time(date, instant):
    assert date_of(response(200, b"{}", date=date)) == instant


def test_the_date_is_not_of_this_machines_zone(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        found = date_of(response(200, b"{}", date="Tue, 14 Nov 2023 22:13:21 GMT"))
        assert found == NOW + 1
    finally:
        monkeypatch.undo()
        time.tzset()
