"""The session of a person: who it is, for the page, and its end."""

import pytest

from tests.unit.server.people import ask, claims_of, data, token


async def test_the_page_hears_who_is_signed_in(guarded):
    answer = await ask(guarded, "GET", "/service/me", data("operator"))
    assert answer.json() == {
        "open": False,
        "name": "Alice",
        "subject": "p-1",
        "role": "operator",
        "roles": ["viewer", "operator", "administrator"],
    }


@pytest.mark.parametrize(
    "name", ["\ud800", "Al\nice", "\u202eecilA", "", "A" * 257, ["Alice"], None]
)
async def test_a_name_that_cannot_be_shown_is_left_out_for_the_subject(guarded, name):
    signed_in = token({"sub": "p-1", "name": name, "groups": ["viewer"]})
    answer = await ask(guarded, "GET", "/service/me", signed_in)
    assert (answer.status_code, answer.json()["name"]) == (200, "p-1")


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
