"""Who may do what, by the load balancer's word alone; a bad token changes nothing."""

import base64
import json
import logging

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from server.keys import PublishedKeys
from server.logs import JsonFormatter, subject
from server.roles import Role, needed
from tests.unit.server.people import (
    CHANGE,
    CLIENT,
    ISSUER,
    NOW,
    OTHER_KEY,
    POOL_KEY,
    SIGNER,
    Publisher,
    ask,
    claims_of,
    data,
    token,
)
from tests.unit.server.playing import Played

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


@pytest.fixture
async def of_pool(service, api, publisher):
    """The service behind a load balancer that signs in by Cognito."""
    public = jwt.algorithms.RSAAlgorithm.to_jwk(POOL_KEY.public_key(), as_dict=True)
    pool = Publisher(pool={**public, "kid": "pool-1", "use": "sig", "alg": "RS256"})
    url = "https://pool.test/.well-known/jwks.json"
    keys = PublishedKeys(url, connections=Played(pool))
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
