"""What the page shows when there is nothing to show, or no server answers."""

import json

import pytest
from playwright.sync_api import expect

ALONE = {"instances": [{"id": "i-1", "started": 1_700_000_000, "silent": False}], "leader": None}
STATES = {
    "empty": (
        {"counters": [], "problem": None, "cluster": ALONE, "instance": "i-1"},
        "No counter yet",
    ),
    "error": (
        {
            "counters": None,
            "problem": "the API gave no answer within 10 s",
            "cluster": ALONE,
            "instance": "i-1",
        },
        "the API gave no answer within 10 s",
    ),
}


def played(state):
    body = f"event: state\ndata: {json.dumps(state)}\n\n"

    def play(route):
        route.fulfill(content_type="text/event-stream", body=body)

    return play


@pytest.mark.parametrize("kind", STATES)
def test_a_state_without_counters_says_what_to_do(visit, kind):
    state, words = STATES[kind]
    window = visit()
    window.page.route("**/events", played(state))
    page = window.open(live=kind == "empty")
    expect(page.get_by_text(words)).to_be_visible()
    window.keep(f"state-{kind}")
    window.assert_accessible()


def test_the_empty_list_leads_to_the_form(visit):
    window = visit()
    window.page.route("**/events", played(STATES["empty"][0]))
    page = window.open()
    window.press("Make a counter")
    expect(page.get_by_label("Name")).to_be_focused()


def test_an_instance_without_a_table_says_that_it_is_alone(visit):
    window = visit()
    window.page.route("**/events", played(STATES["empty"][0]))
    page = window.open("#/cluster")
    expect(page.get_by_role("heading", name="This instance is alone")).to_be_visible()
    window.keep("state-alone")


def test_loading_is_told_until_the_first_state(visit):
    window = visit()
    window.page.route("**/events", lambda _: None)
    page = window.open(live=False)
    expect(page.get_by_text("Loading the counters…")).to_be_visible()
    expect(page.locator("#link")).to_have_text("Connecting…")
    window.keep("state-loading")
    window.assert_accessible()


def test_a_counter_that_is_not_there_is_told_by_its_name(visit):
    window = visit()
    page = window.open("#/c/never-made")
    expect(page.get_by_role("heading", name="There is no such counter")).to_be_visible()
    window.keep("state-missing")
    window.assert_accessible()


def test_offline_is_told_and_ends_by_itself_with_the_current_state(visit, made, signed):
    name = made(value=3)
    window = visit()
    window.expect_refusal("ERR_INTERNET_DISCONNECTED")
    page = window.counter(name)
    page.context.set_offline(True)
    expect(page.locator("#link")).to_have_text("Offline")
    expect(page.get_by_role("alert").filter(has_text="No connection")).to_be_visible()
    expect(window.value).to_have_text("3")
    window.keep("state-offline")
    window.assert_accessible()
    signed("POST", f"/counters/{name}/increment", {"amount": 4})
    page.context.set_offline(False)
    expect(page.locator("#link")).to_have_text("Live")
    expect(window.value).to_have_text("7")
    expect(page.get_by_text("No connection")).not_to_be_visible()


def test_a_change_whose_answer_is_lost_counts_once(visit, made, signed):
    """The first answer is cut off after the API has counted; the page repeats under one key."""
    name = made()
    window = visit()
    window.expect_refusal("ERR_CONNECTION_RESET")
    page = window.counter(name)
    sent: list[str] = []

    def cut(route):
        key = route.request.headers["idempotency-key"]
        sent.append(key)
        if len(sent) == 1:
            path, body = f"/counters/{name}/increment", route.request.post_data_buffer
            assert signed("POST", path, body, Idempotency_Key=key).status == 200
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(f"**/counters/{name}/increment", cut)
    window.press("Increment")
    expect(window.value).to_have_text("1")
    expect(page.get_by_text(f"Added 1 to {name}.")).to_be_visible()
    assert len(sent) == 2
    assert len(set(sent)) == 1
    assert signed("GET", f"/counters/{name}").json()["value"] == 1


def test_a_stream_that_falls_silent_is_opened_again(visit):
    """As with a paused instance: the connection stays, and nothing comes."""
    window = visit()
    page = window.open("", live=False)
    opened: list[str] = []

    def stall(route):
        opened.append(route.request.url)
        if len(opened) > 1:
            route.continue_()

    page.route("**/events", stall)
    page.reload()
    expect(page.locator("#link")).to_have_text("Live", timeout=30_000)
    assert len(opened) >= 2


def test_an_address_without_a_view_says_so(visit):
    window = visit()
    page = window.open("#/countres")
    expect(page.get_by_role("heading", name="There is no such view")).to_be_visible()
    expect(page.get_by_text("Nothing is at #/countres")).to_be_visible()
    expect(page).to_have_title("Not found · Interlock")
    page.get_by_role("link", name="Go to the counters").click()
    expect(page).to_have_title("Counters · Interlock")


def test_counters_that_cannot_be_read_just_now_are_shown_as_what_was_read_last(visit, made):
    name = made(value=3)
    window = visit()
    page = window.counter(name)
    page.route("**/events", played(STATES["error"][0]))
    page.evaluate("window.dispatchEvent(new Event('offline'))")
    expect(page.locator("#link")).to_have_text("Delayed")
    alert = page.get_by_role("alert").filter(has_text="the API gave no answer within 10 s")
    expect(alert).to_be_visible()
    expect(window.value).to_have_text("3")


def test_a_service_that_says_nothing_for_a_while_is_late(visit):
    """It told its state once; from then on, connections stay and nothing comes."""
    window = visit()
    asked = []

    def hold(route):
        asked.append(route)

    window.page.route("**/events", hold)
    with window.page.expect_request("**/events"):
        page = window.open(live=False)
    expect(page.locator("#link")).to_have_text("Connecting…")
    played(STATES["empty"][0])(asked[0])
    expect(page.locator("#link")).to_have_text("Live")
    expect(page.locator("#link")).to_have_text("Delayed")  # before it is given up as gone
