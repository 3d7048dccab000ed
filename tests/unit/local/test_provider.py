"""The provider of this machine: strict as a real one, but for the password that it does not ask."""

import time
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from local.provider import CLIENT_ID, CODE_LIFE, PEOPLE, Provider
from server.roles import LABELS

ISSUER = "http://127.0.0.1:9999"
BACK = "http://front.alb.localhost:4566/oauth2/idpresponse"
ASKED = {"client_id": CLIENT_ID, "response_type": "code", "redirect_uri": BACK, "state": "s-1"}


@pytest.fixture
def provider():
    return Provider(ISSUER, "the-secret", b"-----BEGIN PUBLIC KEY-----", "key-1")


@pytest.fixture
async def client(provider):
    transport = httpx.ASGITransport(provider.application())
    async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as made:
        yield made


async def code_of(client, person="alice"):
    answer = await client.post(f"/authorize?{urlencode(ASKED)}", data={"person": person})
    assert answer.status_code == 303
    back = urlsplit(answer.headers["location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == BACK
    given = parse_qs(back.query)
    assert given["state"] == ["s-1"]
    return given["code"][0]


async def exchange(client, given, **changes):
    form = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "client_secret": "the-secret",
        "code": given,
        "redirect_uri": BACK,
    }
    return await client.post("/token", data=form | changes)


async def test_each_person_signs_in_and_is_in_a_group_that_is_a_role(client):
    assert set(PEOPLE.values()) <= set(LABELS)
    page = await client.get(f"/authorize?{urlencode(ASKED)}")
    for person, group in PEOPLE.items():
        assert f"{person} ({group})" in page.text
        token = (await exchange(client, await code_of(client, person))).json()["access_token"]
        answer = await client.get("/userinfo", headers={"authorization": f"Bearer {token}"})
        assert answer.json() == {"sub": f"local|{person}", "name": person, "groups": [group]}


async def test_a_code_works_once(client):
    code = await code_of(client)
    assert (await exchange(client, code)).status_code == 200
    assert (await exchange(client, code)).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_secret": "a guess"}, "invalid_client"),
        ({"client_id": "another"}, "invalid_client"),
        ({"code": "a guess"}, "invalid_grant"),
        ({"redirect_uri": BACK.replace("front", "other")}, "invalid_grant"),
        ({"grant_type": "password"}, "invalid_grant"),
    ],
)
async def test_a_token_is_for_the_client_alone_that_was_given_the_code(client, changes, error):
    assert (await exchange(client, await code_of(client), **changes)).json() == {"error": error}


async def test_a_code_ends_soon(client, monkeypatch):
    code = await code_of(client)
    now = time.monotonic()
    monkeypatch.setattr("local.provider.time.monotonic", lambda: now + CODE_LIFE + 1)
    assert (await exchange(client, code)).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "another"},
        {"redirect_uri": "https://evil.test/oauth2/idpresponse"},
        {"redirect_uri": "http://evil.test/oauth2/idpresponse"},
        {"redirect_uri": "http://localhost.evil.test/oauth2/idpresponse"},
        {"redirect_uri": "http://127.0.0.1/elsewhere"},
        {"redirect_uri": f"{BACK}?next=evil"},
        {"response_type": "token"},
        {"state": ""},
    ],
)
async def test_a_browser_is_sent_nowhere_else(client, change):
    answer = await client.post(f"/authorize?{urlencode(ASKED | change)}", data={"person": "alice"})
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_there_is_nobody_else(client):
    answer = await client.post(f"/authorize?{urlencode(ASKED)}", data={"person": "mallory"})
    assert answer.status_code == 400


async def test_what_was_asked_for_is_text_on_the_page(client):
    markup = ASKED | {"state": '"><script>'}
    page = await client.get(f"/authorize?{urlencode(markup)}")
    assert "<script>" not in page.text


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer x"}, {"authorization": "x"}])
async def test_a_stranger_hears_of_nobody(client, header):
    assert (await client.get("/userinfo", headers=header)).status_code == 401


async def test_the_load_balancers_key_is_published_under_its_id(client):
    assert (await client.get("/keys/key-1")).content == b"-----BEGIN PUBLIC KEY-----"
    assert (await client.get("/keys/key-2")).status_code == 403
