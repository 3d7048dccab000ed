"""The locks of the table on the page: seen as they come and go, and broken with a reason."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from interlock import LockClient, client_config
from interlock.errors import LockLost
from local.demo import exports

BIN = Path(sys.executable).parent
LONG = "orders/one-that-goes-on-and-on/and-is-far-from-ending-whatever-is-done/"
DATA = {"order": 42, "steps": ["reserve", "charge", "ship"], "note": "a" * 200}


@pytest.fixture
def name():
    """The name of a lock of this test's own."""
    return f"orders/{uuid4().hex[:8]}"


@pytest.fixture
def running(deployed) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Hold a lock by the command, in a process of its own: `running("orders/42")`."""
    table = deployed.deployment.outputs["TableName"]
    processes: list[subprocess.Popen[bytes]] = []

    def run(name):
        command = ["--table", table, "locks", "run", name, "--", "sleep", "300"]
        processes.append(
            subprocess.Popen([BIN / "interlock", *command], env=os.environ | exports(deployed))
        )
        return processes[-1]

    yield run
    for process in processes:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def holder(deployed) -> Iterator[LockClient]:
    """Takes locks in this process."""
    client = deployed.emulator.client("dynamodb", config=client_config())
    table = deployed.deployment.outputs["TableName"]
    with LockClient(table, client=client, owner="worker-7") as locks:
        yield locks


def at(name):
    return f"#/locks/{name.replace('/', '%2F')}"


def card(page, name):
    return page.get_by_role("article").filter(has=page.get_by_role("link", name=name, exact=True))


def break_it(page, because):
    page.get_by_label("Why: the next holder is shown it").fill(because)
    page.get_by_role("button", name="Break…").click()
    return page.get_by_role("dialog")


def test_the_lock_of_another_process_is_seen_while_it_is_held(visit, running, name):
    page = visit().open("#/locks")
    expect(card(page, "service/leader")).to_be_visible()
    process = running(name)
    expect(card(page, name)).to_contain_text("20 s")
    link = page.get_by_role("link", name="service/leader")
    link.focus()
    process.terminate()
    expect(card(page, name)).to_have_count(0)
    expect(link).to_be_focused()


def test_an_administrator_breaks_it_with_a_reason_and_its_process_ends(visit, running, name):
    process = running(name)
    window = visit()
    page = window.open("#/locks")
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.locator("h1")).to_have_text(name)
    expect(page.locator(".grants li")).to_have_count(1)
    token = int(page.locator("#token").inner_text())
    dialog = break_it(page, "INC-7: the host is gone")
    expect(dialog).to_contain_text(f"by the token {token}")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Break").click()
    expect(page.get_by_text(f"{name} was broken: it is free.")).to_be_visible()
    expect(page.locator("#token")).to_have_text(str(token + 1))
    expect(page.get_by_text("“INC-7: the host is gone”")).to_be_visible()
    expect(page.get_by_text("alice by")).to_be_visible()
    expect(page.locator(".grants li")).to_contain_text("broken at")
    expect(page.get_by_text("It is free: there is nothing to break.")).to_be_focused()
    assert process.wait(timeout=30) != 0
    window.keep("lock-broken")
    window.assert_accessible()


def test_without_a_reason_nothing_is_broken(visit, holder, name):
    with holder.acquire(name):
        page = visit().open(at(name))
        page.get_by_role("button", name="Break…").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_label("Why: the next holder is shown it")).to_be_focused()
        expect(break_it(page, "x")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Break…")).to_be_focused()
        assert holder.inspect(name).held


def test_a_grant_that_ends_during_the_question_is_not_mistaken_for_the_next(visit, holder, name):
    first = holder.acquire(name)
    window = visit()
    window.expect_refusal("409")
    page = window.open(at(name))
    expect(page.locator("#token")).to_have_text(str(first.fencing_token))
    dialog = break_it(page, "stuck")
    first.release()
    with holder.acquire(name) as second:
        expect(page.locator("#token")).to_have_text(str(second.fencing_token))
        dialog.get_by_role("button", name="Break").click()
        refused = page.get_by_role("region", name="Breaking").get_by_role("alert")
        expect(refused).to_contain_text(f"the grant {first.fencing_token} is over")
        assert holder.inspect(name).fencing_token == second.fencing_token
        assert not second.lost.is_set()
        expect(page.locator(".grants li")).to_have_count(2)


def test_a_viewer_sees_it_and_neither_its_data_nor_a_way_to_break_it(visit, holder, name):
    with holder.acquire(name, data=DATA) as lock:
        page = visit().open(at(name))
        expect(page.locator("pre")).to_contain_text('"order": 42')
        window = visit(person="bob")
        page = window.open(at(name))
        expect(page.locator("#holder")).to_have_text("worker-7")
        expect(page.get_by_text("only administrators are shown them")).to_be_visible()
        part = page.get_by_role("region", name="Breaking")
        expect(part).to_contain_text("bob is viewer: breaking a lock needs the role administrator.")
        for control in part.locator("button, input").all():
            expect(control).to_be_disabled()
        window.assert_accessible()
        window.expect_refusal("403")
        body = {"lock": name, "fencing_token": lock.fencing_token, "because": "I like to"}
        send = """async (body) => (await fetch("/service/lock-breaks", { method: "POST", body,
          headers: { "content-type": "application/json" } })).status"""
        assert page.evaluate(send, json.dumps(body)) == 403
        assert holder.inspect(name).held


def test_a_lock_is_found_by_its_name_and_one_that_never_was_is_said(visit, holder, name):
    holder.acquire(name).release()
    window = visit()
    window.expect_refusal("404")
    page = window.open("#/locks")
    page.get_by_label("Look at a lock by its name").fill(name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="It is free.")).to_be_visible()
    expect(page).to_have_title(f"{name} · Interlock")
    window.open(at(f"{name}-never"))
    expect(page.get_by_role("heading", name="No such lock")).to_be_visible()
    window.assert_right_at_each_size_and_in_each_scheme()


def test_a_corrupt_record_is_told_and_mended(visit, deployed, name):
    item = {"pk": {"S": f"lock#{name}"}, "fence": {"S": "x"}, "version": {"S": "v"}}
    client = deployed.emulator.client("dynamodb")
    client.put_item(TableName=deployed.deployment.outputs["TableName"], Item=item)
    window = visit()
    page = window.open("#/locks")
    expect(card(page, name)).to_contain_text("corrupt")
    window.open(at(name))
    break_it(page, "mended").get_by_role("button", name="Break").click()
    expect(page.get_by_text("It is free: there is nothing to break.")).to_be_visible()


EMPTY = {"locks": [], "held": 0, "whole": True, "scanned": 7, "age": 0, "every": 2, "now": 1.8e9}
LARGE = EMPTY | {"whole": False, "scanned": 120_000}
STATES = {
    "empty": ((200, EMPTY | {"table": "coordination"}), "No lock is held"),
    "large": ((200, LARGE | {"table": "coordination"}), "120,000 records so far"),
    "error": ((503, {"detail": "the table cannot be read: AccessDenied"}), "AccessDenied"),
    "alone": ((404, {"detail": "there are no locks"}), "This instance is alone"),
    "loading": (None, "Reading the locks…"),
}


@pytest.mark.parametrize("kind", STATES)
def test_what_there_is_when_there_is_no_lock_to_show(visit, kind):
    answer, words = STATES[kind]
    window = visit()
    for status in ("503", "404"):
        window.expect_refusal(status)

    def play(route):
        if answer:
            route.fulfill(status=answer[0], content_type="application/json", json=answer[1])

    window.page.route("**/service/locks", play)
    page = window.open("#/locks")
    expect(page.get_by_text(words)).to_be_visible()
    window.keep(f"locks-{kind}")
    window.assert_right_at_each_size_and_in_each_scheme()


def test_a_lock_with_all_that_there_is_to_tell_fits_everywhere(visit, holder, name):
    long = LONG + name
    lost = holder.acquire(long)
    holder.break_lock(long, because="INC-7: " + "the host is gone " * 20)
    lost.release()
    with holder.acquire(long, data=DATA):
        window = visit()
        page = window.open("#/locks")
        expect(card(page, long)).to_be_visible()
        window.assert_right_at_each_size_and_in_each_scheme()
        window.open(at(long))
        expect(page.locator("pre")).to_be_visible()
        window.assert_right_at_each_size_and_in_each_scheme()
        break_it(page, "stuck")
        window.assert_right_at_each_size_and_in_each_scheme()


@pytest.fixture
def rival(deployed) -> Iterator[LockClient]:
    """Takes locks as another process would."""
    client = deployed.emulator.client("dynamodb", config=client_config())
    table = deployed.deployment.outputs["TableName"]
    with LockClient(table, client=client, owner="worker-8") as locks:
        yield locks


def take_both(locks, first, second, ready):
    """Take one lock, and when the other side has done so, too, wait for a second."""
    with suppress(LockLost), locks.acquire(first, data={"then": second}):
        ready.wait()
        locks.acquire(second, fair=True).release()


def test_a_deadlock_is_named_with_both_sides_until_one_is_broken(visit, holder, rival, name):
    one, two = f"{name}/a", f"{name}/b"
    ready = threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        threads.submit(take_both, holder, one, two, ready)
        threads.submit(take_both, rival, two, one, ready)
        try:
            window = visit()
            page = window.open("#/locks")
            banner = page.get_by_role("region", name="Deadlocks")
            expect(banner.get_by_role("alert")).to_contain_text("1 deadlock: its holders wait")
            first, second = banner.get_by_role("listitem").all()
            for side, owner, holds, waits_for in (
                (first, "worker-7", one, two),
                (second, "worker-8", two, one),
            ):
                expect(side).to_contain_text(owner)
                expect(side.get_by_role("link").nth(0)).to_have_text(holds)
                expect(side.get_by_role("link").nth(1)).to_have_text(waits_for)
                expect(side.locator("code")).to_have_text(f'{{"then":"{waits_for}"}}')
            window.keep("locks-deadlock")
            window.assert_right_at_each_size_and_in_each_scheme()
            first.get_by_role("link").nth(0).click()
            expect(page.locator("h1")).to_have_text(one)
            expect(page.get_by_text("worker-8, since")).to_be_visible()
            window.assert_right_at_each_size_and_in_each_scheme()
        finally:
            holder.break_lock(one, because="deadlock")
    window.open("#/locks")
    expect(page.get_by_role("link", name="service/leader")).to_be_visible()
    expect(banner).not_to_be_visible()


def test_deadlocks_that_are_only_possible_are_not_called_by_that_name(visit):
    window = visit()
    link = {"fencing_token": 7, "held_since": None, "since": 1.8e9 - 60, "data": None}
    names = LONG + "1", LONG + "2"
    links = [
        link | {"owner": owner, "holds": holds, "waits_for": waits_for, "data_withheld": True}
        for owner, holds, waits_for in (("web-1", *names), ("web-2", *reversed(names)))
    ]
    found = {"certain": False, "since": 1.8e9 - 60, "links": links}
    answer = EMPTY | {"table": "coordination", "deadlocks": [found]}
    window.page.route("**/service/locks", lambda route: route.fulfill(json=answer))
    page = window.open("#/locks")
    banner = page.get_by_role("region", name="Deadlocks")
    expect(banner.get_by_role("alert")).to_have_text("1 possible deadlock")
    expect(banner).to_contain_text("1 minute")
    window.assert_right_at_each_size_and_in_each_scheme()


def test_of_the_leaders_lock_the_waiter_is_known_who_stands_by(visit):
    page = visit().open("#/locks/service%2Fleader")
    expect(page.get_by_text("stands by for it.")).to_be_visible()


@pytest.mark.parametrize("view", ["#/locks", "#/locks/service%2Fleader"])
def test_while_the_table_is_away_what_was_read_last_stays_and_is_said_to_be_old(visit, view):
    window = visit()
    window.expect_refusal("503")
    page = window.open(view)
    expect(page.get_by_text("i-local-").first).to_be_visible()
    away = {"detail": "the table cannot be read: Throttled"}

    def refuse(route):
        route.fulfill(status=503, content_type="application/problem+json", json=away)

    page.route("**/service/locks**", refuse)
    told = page.get_by_role("alert").filter(has_text="cannot be read: Throttled. What you see")
    expect(told).to_be_visible()
    expect(page.get_by_text("i-local-").first).to_be_visible()
    window.assert_right_at_each_size_and_in_each_scheme()
    page.unroute("**/service/locks**")
    expect(told).not_to_be_visible()
