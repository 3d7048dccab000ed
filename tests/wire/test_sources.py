"""What each source of credentials asks, and what it makes of the answers: no socket is needed."""

import json
import time
from urllib.parse import parse_qs

import pytest

from interlock._protocol.faults import NoReply, NotSent, Refused
from interlock._wire import credentials
from interlock._wire.credentials import Credentials, Fetch, source_of
from interlock._wire.endpoints import parse
from interlock._wire.http1 import Response
from interlock._wire.settings import Settings

NO_FILES = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
END = "2023-11-15T00:13:20Z"
EXPIRES = 1_700_007_200.0
FOUND = {"AccessKeyId": "AKID", "SecretAccessKey": "secret", "Token": "token", "Expiration": END}
EXPECTED = Credentials("AKID", "secret", "token", EXPIRES)


def begin(**environ):
    """Return a source for an environment, and its first question."""
    source = source_of(Settings(NO_FILES | environ))
    assert source is not None
    return (made := source()), next(made)


def tell(source, body, status=200):
    """Answer the question; return the next one, or the credentials."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        return source.send(Response(status, {}, data, False))  # noqa: FBT003 - the field's place
    except StopIteration as done:
        return done.value


def given(**environ):
    source = source_of(Settings(NO_FILES | environ))
    assert source is not None
    with pytest.raises(StopIteration) as done:
        next(source())
    return done.value.value


def test_keys_of_the_environment_need_no_question():
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert given(**keys) == Credentials("a", "b", None, float("inf"))
    assert given(**keys, AWS_SESSION_TOKEN="") == Credentials("a", "b", None)
    assert given(**keys, AWS_SESSION_TOKEN="c") == Credentials("a", "b", "c")


@pytest.mark.parametrize("half", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_pair_is_refused(half):
    with pytest.raises(Refused, match="only one of") as refusal:
        source_of(Settings(NO_FILES | {half: "x"}))
    assert refusal.value.code == "PartialCredentialsError"


def test_a_question_has_its_bytes():
    endpoint = parse("http://agent.example:81/base", "")
    fetch = Fetch(endpoint, "POST", "/path?x", (("a", "b"), ("c", "d\xe4")), b"body")
    assert fetch.encode() == (
        b"POST /base/path?x HTTP/1.1\r\na: b\r\nc: d\xe4\r\nhost: agent.example:81\r\n"
        b"connection: close\r\ncontent-length: 4\r\n\r\nbody"
    )
    assert fetch.timeout == 1.0


RELATIVE, FULL = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN, TOKEN_FILE = (
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)


@pytest.mark.parametrize(
    ("environ", "host", "path"),
    [
        ({RELATIVE: "/v2/creds?id=1"}, "169.254.170.2", "/v2/creds?id=1"),
        ({RELATIVE: "/v2", FULL: "https://other.example/"}, "169.254.170.2", "/v2"),
        ({FULL: "https://agent.example"}, "agent.example", "/"),
        ({FULL: "http://169.254.170.2/x"}, "169.254.170.2", "/x"),
        ({FULL: "http://169.254.170.23/x"}, "169.254.170.23", "/x"),
        ({FULL: "http://[fd00:ec2::23]/x"}, "fd00:ec2::23", "/x"),
        ({FULL: "http://localhost/x"}, "localhost", "/x"),
        ({FULL: "http://127.0.0.1/x"}, "127.0.0.1", "/x"),
        ({FULL: "http://127.1.2.3/x"}, "127.1.2.3", "/x"),
        ({FULL: "http://[::1]/x"}, "::1", "/x"),
    ],
)
def test_a_container_asks_its_agent(environ, host, path):
    source, fetch = begin(**environ)
    assert (fetch.method, fetch.endpoint.host, fetch.endpoint.path, fetch.path) == (
        "GET",
        host,
        "",
        path,
    )
    assert fetch.headers == (("accept", "application/json"),)
    assert tell(source, FOUND) == EXPECTED


@pytest.mark.parametrize("host", ["agent.example", "10.0.0.1", "127.0.0.1.example", "[::2]"])
def test_no_agent_elsewhere_is_asked_without_encryption(host):
    with pytest.raises(Refused, match="needs https") as refusal:
        begin(**{FULL: f"http://{host}/"})
    assert refusal.value.code == "NoCredentialsError"


def test_a_container_shows_its_token(tmp_path):
    file = tmp_path / "token"
    file.write_text(" from a file\n")
    _, fetch = begin(**{RELATIVE: "/x", TOKEN: "Basic a"})
    assert fetch.headers[1:] == (("authorization", "Basic a"),)
    _, fetch = begin(**{RELATIVE: "/x", TOKEN: "Basic a", TOKEN_FILE: str(file)})
    assert fetch.headers[1:] == (("authorization", "from a file"),)


@pytest.mark.parametrize("token", ["a\nb", "a\rb", "a\r\nb: c"])
def test_a_containers_token_is_one_line(token):
    with pytest.raises(Refused, match="line break") as refusal:
        begin(**{RELATIVE: "/x", TOKEN: token})
    assert refusal.value.code == "NoCredentialsError"


@pytest.mark.parametrize("data", [None, b"\xff"])
def test_a_token_that_cannot_be_read_may_be_there_later(tmp_path, data):
    file = tmp_path / "token"
    if data is not None:
        file.write_bytes(data)
    with pytest.raises(NoReply, match=TOKEN_FILE):
        begin(**{RELATIVE: "/x", TOKEN_FILE: str(file)})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (FOUND, EXPECTED),
        (FOUND | {"Code": "Success"}, EXPECTED),
        (FOUND | {"Expiration": "2023-11-15T00:13:20"}, EXPECTED),
        (FOUND | {"Expiration": "2023-11-15T01:13:20+01:00"}, EXPECTED),
        (FOUND | {"Expiration": None}, Credentials("AKID", "secret", "token")),
        (FOUND | {"Token": None}, Credentials("AKID", "secret", None, EXPIRES)),
        (FOUND | {"Token": ""}, Credentials("AKID", "secret", None, EXPIRES)),
    ],
)
def test_a_document_has_credentials(found, expected):
    source, _ = begin(**{RELATIVE: "/x"})
    assert tell(source, found) == expected


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, FOUND),
        (500, FOUND),
        (200, b""),
        (200, b"\xff"),
        pytest.param(200, b"[" * 100_000, id="too deep"),
        (200, [FOUND]),
        (200, FOUND | {"Code": "Failed"}),
        (200, {"SecretAccessKey": "secret"}),
        (200, FOUND | {"AccessKeyId": ""}),
        (200, FOUND | {"AccessKeyId": 5}),
        (200, FOUND | {"SecretAccessKey": ""}),
        (200, FOUND | {"SecretAccessKey": 5}),
        (200, FOUND | {"Token": 5}),
        (200, FOUND | {"Expiration": "soon"}),
        (200, FOUND | {"Expiration": 5}),
    ],
)
def test_a_document_without_them_may_have_them_later(status, body):
    source, _ = begin(**{RELATIVE: "/x"})
    with pytest.raises(NoReply):
        tell(source, body, status)


IMDS = "/latest/meta-data/iam/security-credentials/"


def test_an_instance_asks_three_times():
    source, fetch = begin(AWS_EC2_METADATA_DISABLED="false")
    assert fetch == Fetch(
        parse("http://169.254.169.254", ""),
        "PUT",
        "/latest/api/token",
        (("x-aws-ec2-metadata-token-ttl-seconds", "21600"),),
        timeout=1.0,
    )
    headers = (("x-aws-ec2-metadata-token", "TOKEN"),)
    assert tell(source, b" TOKEN\n") == Fetch(fetch.endpoint, "GET", IMDS, headers)
    asked = tell(source, b"my role\nother\n".replace(b" ", b"/"))
    assert asked == Fetch(fetch.endpoint, "GET", f"{IMDS}my/role", headers)
    assert tell(source, FOUND) == EXPECTED


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}, "http://[fd00:ec2::254]"),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv4"}, "http://169.254.169.254"),
        ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://imds.example:1"}, "http://imds.example:1"),
    ],
)
def test_an_instances_service_is_where_the_environment_says(environ, url):
    assert begin(**environ)[1].endpoint == parse(url, "")


@pytest.mark.parametrize(("text", "seconds"), [("2.5", 2.5), ("", 1.0), ("soon", 1.0)])
def test_an_instances_service_has_the_time_that_the_environment_says(text, seconds):
    source, fetch = begin(AWS_METADATA_SERVICE_TIMEOUT=text)
    fetches = [fetch, tell(source, b"T"), tell(source, b"role")]
    assert [each.timeout for each in fetches] == [seconds] * 3


def test_an_instances_service_may_be_switched_off_or_not_be_there():
    with pytest.raises(Refused, match="AWS_EC2_METADATA_DISABLED") as refusal:
        begin(AWS_EC2_METADATA_DISABLED="TRUE")
    assert refusal.value.code == "NoCredentialsError"
    source, _ = begin()
    with pytest.raises(Refused, match="no metadata service") as refusal:
        source.throw(NotSent("refused"))
    assert refusal.value.code == "NoCredentialsError"


@pytest.mark.parametrize(("status", "body"), [(404, b""), (200, b"\n"), (200, b"")])
def test_an_instance_may_have_no_role(status, body):
    source, _ = begin()
    tell(source, b"TOKEN")
    with pytest.raises(Refused, match="no role"):
        tell(source, body, status)


@pytest.mark.parametrize("answers", [[500], [200, 500], [200, 200, 500], [200, 200, 404]])
def test_an_instances_service_may_fail_for_a_while(answers):
    source, _ = begin()
    for status in answers[:-1]:
        tell(source, b"text", status)
    with pytest.raises(NoReply, match=str(answers[-1])):
        tell(source, b"", answers[-1])


@pytest.fixture
def web(tmp_path):
    file = tmp_path / "token"
    file.write_text("JWT\n")
    return {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(file),
        "AWS_ROLE_ARN": "arn:role",
        "AWS_REGION": "eu-north-1",
    }


STS = (
    "<Credentials><AccessKeyId>AKID</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
    f"<SessionToken>token</SessionToken><Expiration>{END}</Expiration></Credentials>"
)


@pytest.mark.parametrize("session", ["me", None])
def test_a_web_identity_is_exchanged(web, session):
    source, fetch = begin(**web, **({"AWS_ROLE_SESSION_NAME": session} if session else {}))
    assert (fetch.method, fetch.path, fetch.timeout) == ("POST", "/", 2.0)
    assert str(fetch.endpoint) == "https://sts.eu-north-1.amazonaws.com"
    assert fetch.headers == (("content-type", "application/x-www-form-urlencoded"),)
    form = parse_qs(fetch.body.decode())
    (name,) = form.pop("RoleSessionName")
    assert name == session if session else name.startswith("interlock-1")
    assert form == {
        "Action": ["AssumeRoleWithWebIdentity"],
        "Version": ["2011-06-15"],
        "RoleArn": ["arn:role"],
        "WebIdentityToken": ["JWT"],
    }
    assert tell(source, STS.encode()) == EXPECTED


@pytest.mark.parametrize("missing", ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"])
def test_half_a_web_identity_is_none(web, missing):
    _, fetch = begin(**{key: value for key, value in web.items() if key != missing})
    assert fetch.path == "/latest/api/token"


@pytest.mark.parametrize("name", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"])
@pytest.mark.parametrize("becomes", ["", "<{name}></{name}>", "<{name}>soon</{name}>"])
def test_an_answer_of_sts_without_credentials_is_lost(web, name, becomes):
    import re  # noqa: PLC0415 - only here

    source, _ = begin(**web)
    answer = re.sub(rf"<{name}>.*</{name}>", becomes.format(name=name), STS)
    if name != "Expiration" and "soon" in becomes:
        assert isinstance(tell(source, answer.encode()), Credentials)
    elif name == "Expiration" and not becomes:
        assert tell(source, answer.encode()).expires == float("inf")
    else:
        with pytest.raises(NoReply):
            tell(source, answer.encode())


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "ExpiredTokenException", Refused),
        (403, "AccessDenied", Refused),
        (400, "IDPCommunicationError", NoReply),
        (400, "Throttling", NoReply),
        (400, None, NoReply),
        (302, "AccessDenied", NoReply),
        (500, "AccessDenied", NoReply),
    ],
)
def test_a_refusal_of_sts_is_told_from_a_failure_that_passes(web, status, code, kind):
    source, _ = begin(**web)
    element = f"<Code>{code}</Code><Message>why</Message>" if code else ""
    with pytest.raises(kind) as fault:
        tell(source, element.encode(), status)
    if kind is Refused:
        assert (fault.value.code, "why" in str(fault.value)) == (code, True)


def test_a_failure_of_sts_brings_no_credentials(web):
    source, _ = begin(**web)
    with pytest.raises(NoReply, match="500"):
        tell(source, STS.encode(), 500)


def test_an_end_without_a_zone_is_not_of_this_machines(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        source, _ = begin(**{RELATIVE: "/x"})
        assert tell(source, FOUND | {"Expiration": END.removesuffix("Z")}) == EXPECTED
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_profile_is_left_to_botocore(web):
    assert source_of(Settings(NO_FILES | {"AWS_PROFILE": "x", RELATIVE: "/x"})) is None
    assert begin(**web, AWS_PROFILE="x")[1].method == "POST"


def test_other_credentials_may_be_what_is_missing():
    assert {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    } == credentials.REJECTED
