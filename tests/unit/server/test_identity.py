"""Who may do what, by the load balancer's word alone; a bad token changes nothing."""

import base64
import json
import logging
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from server.claims import Claims, Trust
from server.keys import AGAIN, KeysUnavailable, KeyUnknown, PublishedKeys
from server.logs import JsonFormatter, subject
from server.roles import Role, needed
from server.settings import Settings, SettingsError
from tests.unit.server.conftest import API

ROOT = Path(__file__).parents[3]
SIGNER = (
    "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/front/0123456789abcdef"
)
ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Pool"
CLIENT = "client-1"
GROUPS = {"viewer": Role.VIEWER, "operator": Role.OPERATOR, "administrator": Role.ADMINISTRATOR}
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
POOL_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NOW = 1_800_000_000


def pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def padded(raw):
    """Encode as load balancers do, against RFC 7515: with the padding."""
    return base64.urlsafe_b64encode(raw)


def token(claims, *, key=KEY, text=None, **header):
    """Sign claims as a load balancer does."""
    whose = {"signer": SIGNER, "client": CLIENT, "iss": ISSUER}
    head = {"alg": "ES256", "kid": "key-1", "exp": NOW + 120} | whose | header
    body = json.dumps(claims) if text is None else text
    signed = padded(json.dumps(head).encode()) + b"." + padded(body.encode())
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(signed, key)
    return (signed + b"." + padded(signature)).decode()


def data(*groups, sub="p-1", **header):
    return token({"sub": sub, "name": "Alice", "groups": list(groups)}, **header)


class Api:
    """Counts what reaches the API, which is what must not happen."""

    def __init__(self):
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        return httpx.Response(200, json={"name": "a", "value": 1})


class Publisher:
    """Publishes keys as AWS does, each under its id; `down` makes it fail."""

    def __init__(self, **keys):
        self.keys = keys or {"key-1": pem(KEY)}
        self.asked = []
        self.down = False

    def __call__(self, request):
        self.asked.append(str(request.url))
        if self.down:
            raise httpx.ConnectError("no way")
        name = request.url.path.rpartition("/")[2]
        if name.endswith(".json"):
            return httpx.Response(200, json={"keys": list(self.keys.values())})
        return (
            httpx.Response(200, content=self.keys[name])
            if name in self.keys
            else httpx.Response(403)
        )


def claims_of(publisher, **changes):
    pool = changes.pop("pool", None)
    url = "https://keys.test"
    trust = {
        "signer": SIGNER,
        "issuer": ISSUER,
        "client_id": CLIENT,
        "keys": url,
        "groups_claim": "groups",
        "groups": GROUPS,
    } | changes
    return Claims(
        Trust(**trust),
        keys=PublishedKeys(url, transport=httpx.MockTransport(publisher)),
        access_token_keys=pool,
        wall_clock=lambda: NOW,
    )


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def publisher():
    return Publisher()


@pytest.fixture
async def guarded(service, api, publisher):
    return await service(api, claims=claims_of(publisher))


CHANGE = ("POST", "/api/counters/a/increment")


async def ask(client, method, path, *tokens, **headers):
    given = [("x-amzn-oidc-data", each) for each in tokens] + list(headers.items())
    return await client.request(method, path, headers=given)


PRETENDED = base64.urlsafe_b64encode(b'{"alg":"none"}').decode()
BAD = {
    "no header": ((), "did not come by the load balancer"),
    "a doubled header": ((data("administrator"), data("administrator")), "2 times"),
    "an over-long header": ((data(*["administrator"] * 2000),), "over 16384 characters"),
    "no token": (("alice",), "malformed"),
    "no signature": ((data("administrator").rpartition(".")[0] + ".",), "not genuine"),
    "no algorithm": ((f"{PRETENDED}.{data('administrator').split('.')[1]}.",), "ES256"),
    "another algorithm": ((data("administrator", alg="HS256"),), "ES256"),
    "another's signature": ((data("administrator", key=OTHER_KEY),), "not genuine"),
    "another load balancer": ((data("administrator", signer=SIGNER + "0"),), "another signer"),
    "another client": ((data("administrator", client="client-2"),), "another client"),
    "another pool": ((data("administrator", iss=ISSUER + "2"),), "another iss"),
    "an unknown key": ((data("administrator", kid="key-2"),), "not among those"),
    "a key elsewhere": ((data("administrator", kid="../../evil"),), "malformed"),
    "no key": ((data("administrator", kid=None),), "malformed"),
    "a clock five minutes behind": ((data("administrator", exp=NOW - 300),), "300 s ago"),
    "no end": ((data("administrator", exp=None),), "when it ends"),
    "an end that is no number": ((data("administrator", exp="never"),), "when it ends"),
    "an end without end": ((data("administrator", exp=float("inf")),), "when it ends"),
    "no subject": ((token({"groups": ["administrator"]}),), "sub is missing"),
    "a subject that is no text": ((token({"sub": 7}),), "sub is missing"),
    "an over-long subject": ((data("administrator", sub="s" * 257),), "sub is over-long"),
    "a subject of two lines": ((data("administrator", sub="a\r\nb"),), "not printable"),
    "groups that are none": ((token({"sub": "a", "groups": {"administrator": 1}}),), "no list"),
    "a group that is no text": ((token({"sub": "a", "groups": [1]}),), "no list of groups"),
    "too many groups": ((data(*"g" * 201),), "groups is over-long"),
    "an over-long group": ((data("g" * 257),), "groups is over-long"),
    "no claims": ((token(["a"]),), "holds no claims"),
    "a doubled claim": (
        (token({}, text='{"sub":"a","groups":["viewer"],"groups":["administrator"]}'),),
        "there twice",
    ),
}


@pytest.mark.parametrize(("tokens", "words"), BAD.values(), ids=BAD)
async def test_a_token_that_proves_nothing_is_refused_and_changes_nothing(
    guarded, api, tokens, words
):
    answer = await ask(guarded, *CHANGE, *tokens)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert words in answer.json()["detail"]
    assert api.requests == []


async def test_a_bare_header_is_not_believed(guarded, api):
    bare = {"x-amzn-oidc-identity": "alice", "x-amzn-oidc-accesstoken": "a.b.c"}
    assert (await ask(guarded, *CHANGE, **bare)).status_code == 401
    assert api.requests == []


async def test_a_clock_that_differs_a_little_is_borne(guarded):
    late = data("operator", exp=NOW - 59)
    assert (await ask(guarded, *CHANGE, late)).status_code == 200


@pytest.mark.parametrize("path", ["/api/counters", "/service/cluster", "/events"])
async def test_a_stranger_reads_nothing_either(guarded, api, path):
    assert (await ask(guarded, "GET", path)).status_code == 401
    assert api.requests == []


@pytest.mark.parametrize("path", ["/healthz", "/", "/api/.well-known/jwks.json"])
async def test_health_the_page_and_the_public_keys_are_for_all(guarded, path):
    assert (await ask(guarded, "GET", path)).status_code == 200


async def test_the_public_keys_are_public_to_readers_only(guarded, api):
    assert (await ask(guarded, "PUT", "/api/.well-known/jwks.json")).status_code == 401
    assert api.requests == []


@pytest.mark.parametrize(
    ("method", "path", "least"),
    [
        ("GET", "/api/counters", Role.VIEWER),
        ("HEAD", "/api/counters/a", Role.VIEWER),
        ("OPTIONS", "/api/counters/a", Role.VIEWER),
        ("POST", "/api/receipts/verify", Role.VIEWER),
        ("POST", "/api/counters/a/increment", Role.OPERATOR),
        ("POST", "/api/counters/a%3Ab/decrement", Role.OPERATOR),
        ("POST", "/api/transfers", Role.OPERATOR),
        ("POST", "/api/counters/a/reset", Role.ADMINISTRATOR),
        ("POST", "/api/counters/a%2Freset/increment", Role.ADMINISTRATOR),
        ("POST", "/api/counters/a%5creset/increment", Role.ADMINISTRATOR),
        ("POST", "/api/counters/a/b/increment", Role.ADMINISTRATOR),
        ("PUT", "/api/counters/a", Role.ADMINISTRATOR),
        ("PATCH", "/api/counters/a", Role.ADMINISTRATOR),
        ("DELETE", "/api/counters/a", Role.ADMINISTRATOR),
        ("POST", "/api/not/yet/there", Role.ADMINISTRATOR),
    ],
)
async def test_each_role_does_what_it_may_and_nothing_more(guarded, api, method, path, least):
    assert needed(method, path.encode()) is least
    for role in Role:
        api.requests.clear()
        answer = await ask(guarded, method, path, data(role.label))
        if role >= least:
            assert answer.status_code == 200
            assert len(api.requests) == 1
        else:
            assert answer.status_code == 403
            assert api.requests == []
            problem = answer.json()
            assert (problem["role"], problem["needed"]) == (role.label, least.label)
            assert problem["detail"] == f"this needs the role {least.label}; Alice is {role.label}"


@pytest.mark.parametrize("path", ["/api/transfers/", "/api/counters//increment"])
async def test_an_empty_segment_makes_no_route_of_a_lesser_role(guarded, api, path):
    assert needed("POST", path.encode()) is Role.ADMINISTRATOR
    statuses = [(await ask(guarded, "POST", path, data(role.label))).status_code for role in Role]
    assert (statuses, api.requests) == ([403, 403, 404], [])


async def test_a_person_whose_groups_are_unknown_may_do_nothing_and_hears_why(guarded, api):
    answer = await ask(guarded, "GET", "/api/counters", data("sales", "Administrator"))
    assert answer.status_code == 403
    assert "one of viewer, operator, administrator is needed" in answer.json()["detail"]
    assert api.requests == []
    me = await ask(guarded, "GET", "/service/me", data("sales"))
    assert (me.status_code, me.json()["role"]) == (200, None)


async def test_of_several_groups_the_greatest_counts(guarded):
    answer = await ask(guarded, "DELETE", "/api/counters/a", data("viewer", "administrator", "x"))
    assert answer.status_code == 200


async def test_one_group_may_be_given_as_text(guarded):
    one = token({"sub": "a", "groups": "operator"})
    assert (await ask(guarded, *CHANGE, one)).status_code == 200


async def test_a_key_is_fetched_once(guarded, publisher):
    for _ in range(3):
        assert (await ask(guarded, *CHANGE, data("operator"))).status_code == 200
    assert publisher.asked == ["https://keys.test/key-1"]


async def test_without_the_keys_nothing_is_changed_and_the_caller_may_try_again(
    guarded, api, publisher
):
    publisher.down = True
    answer = await ask(guarded, *CHANGE, data("operator"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert api.requests == []
    publisher.down = False
    assert (await ask(guarded, *CHANGE, data("operator"))).status_code == 200


async def test_an_unknown_key_is_asked_for_once_in_a_while():
    clock = [0.0]
    publisher = Publisher()
    keys = PublishedKeys(
        "https://keys.test", transport=httpx.MockTransport(publisher), clock=lambda: clock[0]
    )
    for _ in range(3):
        with pytest.raises(KeyUnknown):
            await keys.get("key-2")
    assert len(publisher.asked) == 1
    clock[0] += AGAIN
    publisher.keys["key-2"] = pem(OTHER_KEY)
    assert (await keys.get("key-2")).public_numbers() == OTHER_KEY.public_key().public_numbers()


@pytest.mark.parametrize("content", [b"no PEM", b"x" * 70_000])
async def test_a_publisher_of_something_else_is_not_believed(content):
    publisher = Publisher(**{"key-1": content})
    keys = PublishedKeys("https://keys.test", transport=httpx.MockTransport(publisher))
    with pytest.raises(KeysUnavailable):
        await keys.get("key-1")


@pytest.fixture
async def of_pool(service, api, publisher):
    """The service behind a load balancer that signs in by Cognito."""
    public = jwt.algorithms.RSAAlgorithm.to_jwk(POOL_KEY.public_key(), as_dict=True)
    pool = Publisher(pool={**public, "kid": "pool-1", "use": "sig", "alg": "RS256"})
    url = "https://pool.test/.well-known/jwks.json"
    keys = PublishedKeys(url, transport=httpx.MockTransport(pool))
    claims = claims_of(publisher, pool=keys, groups_claim="cognito:groups", access_token_keys=url)
    return await service(api, claims=claims)


def access_token(**changes):
    claims = {
        "sub": "p-1",
        "cognito:groups": ["operator"],
        "iss": ISSUER,
        "client_id": CLIENT,
        "token_use": "access",
        "exp": NOW + 3600,
    }
    key = changes.pop("key", POOL_KEY)
    kid = changes.pop("kid", "pool-1")
    return jwt.encode(claims | changes, key, "RS256", headers={"kid": kid})


async def test_groups_of_cognito_are_those_of_its_access_token(of_pool):
    # What the load balancer repeats of the pool's claims has no groups.
    given = {"x-amzn-oidc-accesstoken": access_token()}
    pretended = token({"sub": "p-1", "cognito:groups": ["administrator"]})
    assert (await ask(of_pool, *CHANGE, pretended, **given)).status_code == 200
    answer = await ask(of_pool, "DELETE", "/api/counters/a", pretended, **given)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iss": ISSUER + "2"}, "another iss"),
        ({"client_id": "client-2"}, "another client_id"),
        ({"token_use": "id"}, "another token_use"),
        ({"sub": "p-2"}, "another sub"),
        ({"exp": NOW - 300}, "300 s ago"),
        ({"kid": "pool-2"}, "not among those"),
        ({"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)}, "not genuine"),
        ({"cognito:groups": 1}, "no list of groups"),
    ],
)
async def test_an_access_token_of_another_gives_no_role(of_pool, api, changes, words):
    given = {"x-amzn-oidc-accesstoken": access_token(**changes)}
    answer = await ask(of_pool, *CHANGE, token({"sub": "p-1"}), **given)
    assert answer.status_code == 401
    assert words in answer.json()["detail"]
    assert api.requests == []


async def test_a_person_without_groups_has_no_role(of_pool):
    claims = {"x-amzn-oidc-accesstoken": access_token(**{"cognito:groups": []})}
    assert (await ask(of_pool, *CHANGE, token({"sub": "p-1"}), **claims)).status_code == 403


async def test_the_limit_is_a_persons_not_an_addresss(service, api, publisher):
    client = await service(api, claims=claims_of(publisher), rate=0.1, burst=2, proxies=1)

    async def status(who, address):
        mine = data("viewer", sub=who)
        answer = await ask(client, "GET", "/api/counters", mine, **{"x-forwarded-for": address})
        return answer.status_code

    assert [await status("a", f"198.51.100.{n}") for n in range(3)] == [200, 200, 429]
    assert [await status(f"b{n}", "198.51.100.1") for n in range(3)] == [200, 200, 200]


async def test_the_subject_goes_with_the_request_and_a_callers_own_does_not(guarded, api):
    pretended = {"x-interlock-subject": "the-boss"}
    await ask(guarded, *CHANGE, data("operator", sub="auth0|ü %"), **pretended)
    (request,) = api.requests
    assert request.headers.get_list("x-interlock-subject") == ["auth0|%C3%BC%20%25"]


async def test_where_all_may_enter_a_callers_subject_is_dropped_too(service, api):
    client = await service(api)
    await ask(client, *CHANGE, **{"x-interlock-subject": "the-boss"})
    assert "x-interlock-subject" not in api.requests[0].headers


class Lines(logging.Handler):
    """Keeps what is logged, as the service would write it."""

    def __init__(self):
        super().__init__()
        self.setFormatter(JsonFormatter("i-test"))
        self.kept = []

    def emit(self, record):
        self.kept.append(json.loads(self.format(record)))


async def test_the_log_names_the_subject(guarded, caplog):
    log, lines = logging.getLogger("server.access"), Lines()
    log.addHandler(lines)
    try:
        with caplog.at_level(logging.INFO, log.name):
            await ask(guarded, *CHANGE, data("operator", sub="p-7"))
    finally:
        log.removeHandler(lines)
    assert [(line["message"], line["subject"]) for line in lines.kept] == [
        ("POST /api/counters/a/increment", "p-7")
    ]
    assert subject.get() is None


async def test_the_page_hears_who_is_signed_in(guarded):
    answer = await ask(guarded, "GET", "/service/me", data("operator"))
    assert answer.json() == {
        "open": False,
        "name": "Alice",
        "subject": "p-1",
        "role": "operator",
        "roles": ["viewer", "operator", "administrator"],
    }


async def test_where_all_may_enter_the_page_hears_that(service, api):
    answer = await (await service(api)).get("/service/me")
    assert (answer.json()["open"], answer.json()["role"]) == (True, "administrator")


async def test_signing_out_ends_the_load_balancers_session(service, api, publisher):
    claims = claims_of(publisher, sign_out="https://provider.test/logout?client_id=1")
    client = await service(api, claims=claims, trust=claims._trust)
    answer = await client.post(
        "/service/sign-out",
        headers={"x-amzn-oidc-data": data("viewer"), "x-forwarded-proto": "https"},
    )
    assert answer.json() == {"next": "https://provider.test/logout?client_id=1"}
    cookies = answer.headers.get_list("set-cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == [
        f"AWSELBAuthSessionCookie-{n}" for n in range(4)
    ]
    assert all("Max-Age=0" in cookie and "Secure" in cookie for cookie in cookies)


async def test_another_site_signs_nobody_out(guarded):
    foreign = {"origin": "https://evil.test"}
    answer = await ask(guarded, "POST", "/service/sign-out", data("viewer"), **foreign)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


BASE = {
    "INTERLOCK_API_URL": API,
    "AWS_REGION": "eu-west-1",
    "INTERLOCK_INSTANCE_ID": "i-1",
}
SIGN_IN = {
    "INTERLOCK_SIGNER": SIGNER,
    "INTERLOCK_SIGN_IN_ISSUER": ISSUER,
    "INTERLOCK_SIGN_IN_CLIENT": CLIENT,
}


def test_the_environment_says_whose_word_is_taken():
    trust = Settings.from_environment(
        BASE | SIGN_IN | {"INTERLOCK_GROUPS": "viewer=staff, administrator=ops"}
    ).trust
    assert trust is not None
    assert trust.keys == "https://public-keys.auth.elb.eu-west-1.amazonaws.com"
    assert dict(trust.groups) == {
        "staff": Role.VIEWER,
        "operator": Role.OPERATOR,
        "ops": Role.ADMINISTRATOR,
    }
    assert Settings.from_environment(BASE).trust is None


@pytest.mark.parametrize("lost", SIGN_IN)
def test_a_service_that_lost_part_of_it_does_not_start(lost):
    with pytest.raises(SettingsError, match=f"{lost} is not set"):
        Settings.from_environment(BASE | SIGN_IN | {lost: ""})


@pytest.mark.parametrize(
    ("groups", "words"),
    [("boss=ops", "holds 'boss=ops'"), ("viewer=", "holds 'viewer='"), ("viewer=operator", "two")],
)
def test_groups_that_give_no_role_are_refused_at_the_start(groups, words):
    with pytest.raises(SettingsError, match=words):
        Settings.from_environment(BASE | SIGN_IN | {"INTERLOCK_GROUPS": groups})


DECIDED = {
    "get_counter": Role.VIEWER,
    "put_counter": Role.ADMINISTRATOR,
    "configure_counter": Role.ADMINISTRATOR,
    "delete_counter": Role.ADMINISTRATOR,
    "list_counters": Role.VIEWER,
    "increment_counter": Role.OPERATOR,
    "decrement_counter": Role.OPERATOR,
    "reset_counter": Role.ADMINISTRATOR,
    "create_transfer": Role.OPERATOR,
    "get_lock": Role.VIEWER,
    "get_openapi": Role.VIEWER,
    "get_jwks": Role.VIEWER,
    "verify_receipt": Role.VIEWER,
}


def test_the_role_of_every_route_of_the_api_is_decided():
    """A route that is added to the API fails here until a developer says who may use it."""
    document = json.loads((ROOT / "lambda" / "counters" / "openapi.json").read_text("utf-8"))
    found = {
        operation["operationId"]: needed(
            method.upper(), f"/api{path.replace('{name}', 'a').replace('{name+}', 'a/b')}".encode()
        )
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "operationId" in operation
    }
    assert found == DECIDED
