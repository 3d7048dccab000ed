"""Requests and replies are JSON, with binary values in base64 and numbers as text."""

import json
import zlib

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from interlock._protocol.faults import NoReply, Refused
from interlock._protocol.requests import Call
from interlock._wire import codec
from interlock._wire.credentials import Credentials
from interlock._wire.endpoints import parse
from interlock._wire.exchange import SERVICES, Exchange, date_of
from interlock._wire.http1 import Response

NOW = 1_440_938_160.0  # 2015-08-30 12:36:00 UTC, the moment of AWS's examples
TEXT = st.text(max_size=8)
VALUES = st.recursive(
    st.one_of(
        st.builds(lambda text: {"S": text}, TEXT),
        st.builds(lambda number: {"N": str(number)}, st.integers()),
        st.builds(lambda data: {"B": data}, st.binary(max_size=8)),
        st.builds(lambda data: {"BS": data}, st.lists(st.binary(max_size=4), min_size=1)),
        st.builds(lambda truth: {"BOOL": truth}, st.booleans()),
        st.just({"NULL": True}),
    ),
    lambda inner: st.one_of(
        st.builds(lambda values: {"L": values}, st.lists(inner, max_size=3)),
        st.builds(
            lambda values: {"M": values},
            st.dictionaries(st.sampled_from(("B", "BS", "S", "a")), inner, max_size=3),
        ),
    ),
    max_leaves=6,
)
ITEMS = st.dictionaries(st.sampled_from(("B", "BS", "pk", "a")), VALUES, max_size=4)


def exchange(service="dynamodb", url="https://dynamodb.us-east-1.amazonaws.com", environ=None):
    return Exchange(SERVICES[service], parse(url, "us-east-1"), environ or {})


def response(status, body, **headers):
    own = {"x-amzn-requestid": "R", "x-amz-crc32": str(zlib.crc32(body))}
    return Response(status, own | {k.replace("_", "-"): v for k, v in headers.items()}, body, True)  # noqa: FBT003 - the field's place


@given(ITEMS)
def test_items_survive_the_way_there_and_back(item):
    assert codec.decode("GetItem", codec.encode({"Item": item})) == {"Item": item}


@given(ITEMS)
def test_botocore_writes_and_reads_the_same(item):
    session = botocore.session.Session()
    model = session.get_service_model("dynamodb").operation_model("PutItem")
    from botocore.serialize import create_serializer  # noqa: PLC0415 - private enough

    body = create_serializer("json", include_validation=False).serialize_to_request(
        {"TableName": "t", "Item": item}, model
    )["body"]
    assert json.loads(body) == json.loads(codec.encode({"TableName": "t", "Item": item}))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"1", b"null", b'{"B": "!"}', b"\xff"])
def test_what_is_no_reply_is_not_read(body):
    with pytest.raises(ValueError):  # noqa: PT011 - of whichever layer sees it first
        codec.decode("GetItem", body)


@pytest.mark.parametrize("value", [{"B": b"a"}, {"BS": [b"a", b""]}, {"L": [{"B": b"a"}]}])
def test_a_binary_value_is_text_on_the_way(value):
    item = {"pk": {"S": "a"}, "v": value}
    assert codec.decode("GetItem", codec.encode({"Item": item})) == {"Item": item}


@pytest.mark.parametrize("name", ["B", "BS"])
def test_an_attribute_may_have_the_name_of_a_type(name):
    body = b'{"Item":{"%s":{"S":"a"},"M":{"M":{"%s":{"N":"1"}}}}}' % ((name.encode(),) * 2)
    assert codec.encode(codec.decode("GetItem", body)) == body


@pytest.mark.parametrize(
    ("operation", "name"),
    [("GenerateMac", "Mac"), ("GetPublicKey", "PublicKey"), ("Sign", "Signature")],
)
def test_what_kms_replies_with_is_bytes(operation, name):
    assert codec.decode(operation, b'{"%s":"AAE="}' % name.encode()) == {name: b"\x00\x01"}
    assert codec.decode(operation, b"{}") == {}
    for wrong in (b'{"%s":5}', b'{"%s":"AA E="}', b'{"%s":"A"}'):
        with pytest.raises(ValueError):  # noqa: PT011 - of whichever layer sees it first
            codec.decode(operation, wrong % name.encode())


def test_kms_members_are_bytes():
    body = json.dumps({"KeyId": "k", "Signature": "AAE=", "SigningAlgorithm": "E"}).encode()
    call = Call("Sign", {"Message": b"\x00\x01", "KeyId": "k"})
    assert exchange("kms").reply(call, response(200, body))["Signature"] == b"\x00\x01"
    request = exchange("kms").request(call, Credentials("a", "b"), NOW)
    assert b'"Message":"AAE="' in request
    assert b"x-amz-target: TrentService.Sign\r\n" in request
    assert b"content-type: application/x-amz-json-1.1\r\n" in request


@pytest.mark.parametrize("value", [float("nan"), object(), {1}])
def test_a_value_that_has_no_form_is_refused_unsent(value):
    with pytest.raises(Refused) as refusal:
        exchange().request(Call("PutItem", {"Item": {"a": value}}), Credentials("a", "b"), NOW)
    assert refusal.value.code == "ParamValidationError"


@given(
    item=ITEMS,
    key=st.text("ABCDEFGHIJ0123456789", min_size=16, max_size=20),
    secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40),
    token=st.none() | st.text("abcXYZ/+=", min_size=1, max_size=50),
    service=st.sampled_from(("dynamodb", "kms")),
    url=st.sampled_from(
        (
            "https://dynamodb.us-east-1.amazonaws.com",
            "http://127.0.0.1:8000",
            "https://[::1]:4566/a path/x~y".replace(" ", "%20"),
        )
    ),
    now=st.integers(1_400_000_000, 2_000_000_000),
)
def test_signatures_are_those_of_botocore(  # noqa: PLR0917 - as drawn
    item, key, secret, token, service, url, now
):
    made = exchange(service, url)
    data = made.request(Call("PutItem", {"Item": item}), Credentials(key, secret, token), now)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    headers = dict(line.split(": ", 1) for line in lines)
    signed = headers.pop("authorization")
    names = signed.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    request = AWSRequest("POST", url, headers={name: headers[name] for name in names}, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(BotocoreCredentials(key, secret, token), service, "us-east-1")
    canonical = auth.canonical_request(request)
    signature = auth.signature(auth.string_to_sign(request, canonical), request)
    assert signed.endswith(f"Signature={signature}")
    assert {"content-type", "host", "x-amz-date", "x-amz-target"} <= set(names)
    assert int(headers["content-length"]) == len(body)


def test_a_function_passes_its_trace_on():
    environ = {"AWS_LAMBDA_FUNCTION_NAME": "f", "_X_AMZN_TRACE_ID": "Root=1-2-3"}
    request = exchange(environ=environ).request(Call("GetItem", {}), Credentials("a", "b"), NOW)
    assert b"x-amzn-trace-id: Root=1-2-3\r\n" in request


def test_the_date_of_an_answer_is_read():
    assert date_of(response(200, b"{}", date="Sun, 30 Aug 2015 12:36:00 GMT")) == NOW
    assert date_of(response(200, b"{}", date="Sun, 31 Feb 2015 12:36:00 GMT")) is None
    assert date_of(response(200, b"{}", date="yesterday")) is None
    assert date_of(response(200, b"{}")) is None


GET = Call("GetItem", {"TableName": "t", "Key": {"pk": {"S": "a"}}})
PARTLY = Call("GetItem", {**GET.params, "ProjectionExpression": "v"})
UPDATE = Call("UpdateItem", {"TableName": "t", "Key": {"pk": {"S": "a"}}})


def asking(values):
    return Call("UpdateItem", {**UPDATE.params, "ReturnValues": values})


def outcome(call, answer):
    try:
        return exchange().reply(call, answer)
    except (NoReply, Refused) as fault:
        return fault


@pytest.mark.parametrize(
    ("status", "body", "headers", "code", "transient"),
    [
        (400, {"__type": "a#ThrottlingException"}, {}, "ThrottlingException", True),
        (
            400,
            {"__type": "b.c#RequestLimitExceeded", "Message": "m"},
            {},
            "RequestLimitExceeded",
            True,
        ),
        (
            400,
            {},
            {"x_amzn_errortype": "AccessDeniedException:http://x"},
            "AccessDeniedException",
            False,
        ),
        (408, {}, {}, "RequestTimeout", True),
        (429, {}, {}, "ThrottlingException", True),
        (400, {"__type": "RequestThrottledException"}, {}, "RequestThrottledException", True),
        (400, {"__type": "PriorRequestNotComplete"}, {}, "PriorRequestNotComplete", True),
        (403, {"code": "ExpiredTokenException"}, {}, "ExpiredTokenException", False),
    ],
)
def test_refusals_have_the_services_code(status, body, headers, code, transient):
    found = outcome(GET, response(status, json.dumps(body).encode(), **headers))
    assert isinstance(found, Refused)
    assert found.code == code
    assert (found.throttled or found.transient) is transient


def test_a_refusal_brings_items_reasons_and_limits():
    body = {
        "__type": "x#TransactionCanceledException",
        "Message": "why",
        "CancellationReasons": [
            {"Code": "None"},
            {"Code": "ConditionalCheckFailed", "Item": {"B": {"B": "AA=="}}},
        ],
        "ThrottlingReasons": [{"reason": "TableWriteThroughputExceeded", "resource": "arn"}],
    }
    check = {"ConditionCheck": {"ConditionExpression": "a = b"}}
    call = Call("TransactWriteItems", {"TransactItems": [{}, check]})
    found = outcome(call, response(400, json.dumps(body).encode()))
    assert isinstance(found, Refused)
    assert found.message == "why"
    assert [reason.code for reason in found.reasons] == ["None", "ConditionalCheckFailed"]
    assert found.reasons[1].item == {"B": {"B": b"\x00"}}
    assert found.throttling == ("TableWriteThroughputExceeded of arn",)


@pytest.mark.parametrize(
    ("call", "status", "body"),
    [
        (GET, 500, b'{"__type": "InternalServerError"}'),
        (GET, 503, b"<html>"),
        (GET, 302, b""),
        (GET, 403, b"<html>not from here</html>"),
        (GET, 404, b"[]"),
        (GET, 200, b'{"Item": {"pk": {"S": "b"}}}'),
        (GET, 200, b'{"Item": []}'),
        (GET, 200, b'{"Item": {"x": {"S": "a"}}}'),
        (GET, 200, b'{"Attributes": {}}'),
        (UPDATE, 200, b'{"Attributes": {"pk": {"S": "a"}}}'),
        (asking("ALL_NEW"), 200, b"{}"),
        (
            UPDATE,
            400,
            b'{"__type": "ConditionalCheckFailedException", "Item": {"pk": {"S": "b"}}}',
        ),
        (
            Call("TransactWriteItems", {"TransactItems": [{}]}),
            400,
            b'{"__type": "TransactionCanceledException", "CancellationReasons": [{}, {}]}',
        ),
        (GET, 400, b'{"__type": "ConditionalCheckFailedException"}'),
        (GET, 400, b'{"__type": "TransactionCanceledException"}'),
        (Call("TransactGetItems", {"TransactItems": [{"Get": GET.params}]}), 200, b"{}"),
        (
            Call("TransactGetItems", {"TransactItems": [{"Get": GET.params}]}),
            200,
            b'{"Responses": [{"Item": {"pk": {"S": "b"}}}]}',
        ),
        (Call("TransactWriteItems", {"TransactItems": []}), 200, b'{"Responses": []}'),
        (Call("BatchGetItem", {"RequestItems": {"t": {}}}), 200, b'{"Responses": {"u": []}}'),
        (Call("BatchExecuteStatement", {"Statements": [{}]}), 200, b'{"Responses": []}'),
        (Call("Query", {}), 200, b"{}"),
        (Call("Scan", {"Select": "COUNT"}), 200, b'{"Items": []}'),
        (Call("Sign", {}), 200, b"{}"),
        (Call("GetPublicKey", {}), 200, b'{"PublicKey": ""}'),
    ],
)
def test_what_does_not_answer_the_call_is_a_lost_reply(call, status, body):
    found = outcome(call, response(status, body))
    assert isinstance(found, NoReply), found


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (GET, b"{}"),
        (GET, b'{"ConsumedCapacity": {"CapacityUnits": 1.0}, "MetricsToCome": 1}'),
        (
            Call("GetItem", {**GET.params, "ProjectionExpression": "v"}),
            b'{"Item": {"v": {"N": "1"}}}',
        ),
        (Call("GetItem", {"Key": {"n": {"N": "1.0"}}}), b'{"Item": {"n": {"N": "1"}}}'),
        (
            Call("UpdateItem", {**UPDATE.params, "ReturnValues": "UPDATED_NEW"}),
            b'{"Attributes": {"v": {"N": "1"}}}',
        ),
        (asking("ALL_OLD"), b"{}"),
        (Call("Scan", {"Select": "COUNT"}), b'{"Count": 3, "ScannedCount": 3}'),
    ],
)
def test_what_may_answer_the_call_is_believed(call, body):
    assert outcome(call, response(200, body)) == json.loads(body)


def test_an_answer_without_request_id_or_with_another_checksum_is_lost():
    assert isinstance(outcome(GET, Response(200, {}, b"{}", True)), NoReply)  # noqa: FBT003 - the field's place
    assert isinstance(outcome(GET, response(200, b"{}", x_amz_crc32="1")), NoReply)
    refused = json.dumps({"__type": "ConditionalCheckFailedException"}).encode()
    assert isinstance(outcome(GET, response(400, refused, x_amz_crc32="1")), NoReply)
