"""A permit among others: what is read of them, what is left, and what is not taken."""

from datetime import timedelta

import pytest

from interlock._protocol.locks.grant import lease_end
from interlock._protocol.locks.permits import MOST_PERMITS
from interlock.errors import CorruptRecord, InvalidValue, LockTimeout, PermitsMismatch, Throttled
from tests.unit.locks.conftest import Process, agreed
from tests.unit.locks.scripted import (
    TABLE,
    after,
    answer,
    carry_out,
    lose_reply,
    lose_request,
    throttle,
)

PERMITS = 3
LEASE = 20.0


def asking(process, timeout=None):
    wait = None if timeout is None else timedelta(seconds=timeout)
    return process.locks.permit("jobs", PERMITS, timeout=wait)


@pytest.fixture
def process(process):
    return agreed(process, PERMITS)


@pytest.fixture
def other(other):
    return agreed(other, PERMITS)


@pytest.fixture
def full(other):
    """All permits, held by another process; then nothing has been asked by this one."""
    grants = []
    for draw in (0.0, 0.4, 0.8):
        other.driver.draw = draw
        grants.append(other.driver.run(asking(other).run()))
    assert {grant.name for grant in grants} == {f"jobs#{number}" for number in range(PERMITS)}
    return grants


def held_by(process):
    rows = [process.driver.row(f"jobs#{number}") for number in range(PERMITS)]
    return [row["version"]["S"] if row and "version" in row else None for row in rows]


@pytest.mark.parametrize("number", [0, -1, MOST_PERMITS + 1, True, "3", 2.5, None])
def test_a_number_of_permits_that_cannot_be_is_refused(process, number):
    with pytest.raises(InvalidValue, match="permits"):
        process.locks.permit("jobs", number)


@pytest.mark.parametrize("number", [1, MOST_PERMITS])
def test_there_are_from_one_to_a_hundred_permits(process, number):
    assert MOST_PERMITS == 100
    assert process.driver.run(process.locks.permit("few", number).run())


def test_no_permit_is_taken_of_another_number_of_them(process, other):
    other.driver.run(other.locks.permit("few", 2).run())
    with pytest.raises(PermitsMismatch):
        process.driver.run(process.locks.permit("few", 3).run())


def test_the_one_permit_of_a_semaphore_is_waited_for(process, other):
    grant = other.driver.run(other.locks.permit("one", 1).run())
    process.driver.during_sleep = [lambda: other.release(grant)]
    assert process.driver.run(process.locks.permit("one", 1).run()).fence > grant.fence


def test_what_was_granted_is_known_and_how_long_it_took(process, other, full):
    acquisition = asking(process)
    process.driver.during_sleep = [lambda: None, lambda: other.release(full[1])]
    began = process.driver.now
    grant = process.driver.run(acquisition.run())
    assert acquisition.granted == [grant]
    assert grant.name == "jobs#1"
    assert acquisition.contended
    assert acquisition.waited == process.driver.now - began


def test_a_permit_that_is_free_was_not_contended(process):
    acquisition = asking(process)
    assert not acquisition.leftovers
    process.driver.run(acquisition.run())
    assert not acquisition.contended


@pytest.mark.parametrize("loss", [lose_reply, lose_request])
def test_a_permit_that_was_got_unseen_is_given_back_before_another_is_returned(process, loss):
    def loses(driver, operation, params):
        driver.draw = 0.0  # the next is another permit
        return loss(driver, operation, params)

    process.driver.script = [loses]
    acquisition = asking(process)
    grant = process.driver.run(acquisition.run())
    assert grant.name == "jobs#0"
    assert held_by(process) == [grant.version, None, None]
    assert not any(claim.leftovers for claim in acquisition._claims[2:])


@pytest.mark.parametrize("draw", [0.0, 0.4, 0.8])
def test_a_permit_that_may_have_been_got_unseen_is_known_to_be_left(process, draw):
    process.driver.draw = draw
    process.driver.script = [lose_reply, *[throttle] * 1000]
    acquisition = asking(process, timeout=10.0)
    with pytest.raises(Exception, match="throttled"):
        process.driver.run(acquisition.run())
    assert acquisition.leftovers
    process.driver.script = []
    assert process.driver.run(acquisition.abandon()) is True
    assert held_by(process) == [None] * PERMITS


def test_a_permit_whose_lease_was_over_before_the_others_were_tidied_is_not_returned(process):
    def loses(driver, operation, params):
        driver.draw = 0.0
        return lose_reply(driver, operation, params)

    # The write, a look, another permit's write; then the tidying, which takes too long.
    process.driver.script = [loses, carry_out, carry_out, after(LEASE + 1, throttle)]
    grant = process.driver.run(asking(process).run())
    assert process.driver.now < grant.until
    assert grant.version in held_by(process)


def test_a_permit_whose_lease_is_over_at_the_instant_of_its_return_is_not_returned(process):
    sent = []

    def loses(driver, operation, params):
        driver.draw = 0.0
        return lose_reply(driver, operation, params)

    def look(driver, operation, params):
        sent.append(driver.now)  # nothing takes time before the write that follows
        return carry_out(driver, operation, params)

    def tidy(driver, operation, params):
        driver.now = lease_end(sent[0], LEASE)
        return carry_out(driver, operation, params)

    process.driver.script = [loses, look, None, None, tidy]
    grant = process.driver.run(asking(process).run())
    assert process.driver.now < grant.until


@pytest.mark.usefixtures("full")
def test_what_the_store_has_not_read_is_not_taken_for_free(process):
    def part(driver, operation, params):
        keys = params["RequestItems"][TABLE]["Keys"]
        now = {TABLE: {"Keys": keys[:1], "ConsistentRead": True}}
        reply = carry_out(driver, operation, {"RequestItems": now})
        left = {TABLE: {"Keys": keys[1:], "ConsistentRead": True}} if keys[1:] else {}
        return {**reply, "UnprocessedKeys": left}

    versions = held_by(process)
    process.driver.script = [carry_out, part, part]
    acquisition = asking(process, timeout=3.0)
    with pytest.raises(LockTimeout) as late:
        process.driver.run(acquisition.run())
    assert late.value.holder.held
    assert held_by(process) == versions
    assert process.driver.operations().count("UpdateItem") == 1
    batches = [params["RequestItems"][TABLE] for _, params in process.driver.calls[1:]]
    assert all(batch["ConsistentRead"] is True for batch in batches)


@pytest.mark.usefixtures("full")
def test_permits_are_read_as_they_are_now_and_in_time(process):
    began = process.driver.now
    with pytest.raises(LockTimeout):
        process.driver.run(asking(process, timeout=2.0).run())
    reads = [
        (params["RequestItems"][TABLE]["ConsistentRead"], deadline)
        for (operation, params), deadline in zip(
            process.driver.calls, process.driver.deadlines, strict=True
        )
        if operation == "BatchGetItem"
    ]
    assert reads
    assert all(consistent for consistent, _ in reads)
    assert all(deadline <= began + 2.0 + 1.0 for _, deadline in reads)


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("lie", [{}, {"Attributes": {}}])
def test_an_answer_to_another_question_shows_no_permit_free(process, lie):
    process.driver.script = [carry_out, answer(lie)]
    with pytest.raises(LockTimeout):
        process.driver.run(asking(process, timeout=2.0).run())
    assert process.driver.operations().count("UpdateItem") == 1


@pytest.mark.usefixtures("full")
def test_permits_that_the_store_never_reads_are_told(process):
    def none(driver, operation, params):
        driver.script.append(none)
        left = params.get("RequestItems")
        unread = {"Responses": {}, "UnprocessedKeys": left}
        return unread if left else carry_out(driver, operation, params)

    process.driver.script = [none]
    with pytest.raises(Throttled):
        process.driver.run(asking(process, timeout=3.0).run())


@pytest.mark.usefixtures("full")
def test_permits_that_are_free_only_to_those_who_read_are_not_tried_for_ever(process):
    def free(driver, operation, params):
        driver.script.append(free)
        read = operation == "BatchGetItem"
        return {"Responses": {}} if read else carry_out(driver, operation, params)

    process.driver.script = [free]
    with pytest.raises(LockTimeout):
        process.driver.run(asking(process, timeout=3.0).run())
    assert process.driver.operations().count("UpdateItem") < 100


def test_a_semaphore_of_which_no_permit_is_usable_says_so(process):
    for number in range(PERMITS):
        item = {"pk": {"S": f"lock#jobs#{number}"}, "fence": {"S": "x"}}
        process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    with pytest.raises(CorruptRecord):
        process.driver.run(asking(process, timeout=60.0).run())


def test_the_permit_of_the_dead_is_taken_not_that_of_the_living(process, other, full):
    def live():
        other.driver.now = process.driver.now
        for grant in (full[0], full[2]):
            other.renew(grant)

    process.driver.during_sleep = [live] * 10_000
    grant = process.driver.run(asking(process, timeout=60.0).run())
    assert grant.name == "jobs#1"
    assert grant.fence == full[1].fence + 1


@pytest.mark.parametrize(("draw", "first"), [(0.0, "0"), (0.4, "1"), (0.8, "2")])
def test_the_draw_decides_which_permit_is_tried(process, draw, first):
    process.driver.draw = draw
    assert process.driver.run(asking(process).run()).name == f"jobs#{first}"


def test_a_caller_who_does_not_wait_bears_one_call_that_is_throttled(process):
    process.driver.script = [throttle]
    assert process.driver.run(asking(process, timeout=0.0).run()).name


def test_nothing_was_waited_before_the_begin(process):
    assert asking(process).waited == 0.0


def test_permits_that_may_be_left_are_logged_and_no_others(process, caplog):
    def loses(driver, operation, params):
        driver.draw = 0.0
        return lose_reply(driver, operation, params)

    process.driver.script = [loses]
    process.driver.run(asking(process).run())
    assert caplog.records == []
    process.driver.draw = 0.9
    process.driver.script = [loses_second(process), carry_out, throttle_all_but("jobs#1")]
    process.driver.run(asking(process).run())
    assert "may be left" in caplog.text


def loses_second(process):
    def act(driver, operation, params):
        process.driver.draw = 0.0
        return lose_request(driver, operation, params)

    return act


def throttle_all_but(name):
    """Throttle all calls from now on but those about one permit and those that read."""

    def act(driver, operation, params):
        driver.script.append(act)
        usable = operation != "UpdateItem" or params["Key"]["pk"]["S"] == f"lock#{name}"
        return (carry_out if usable else throttle)(driver, operation, params)

    return act


@pytest.mark.parametrize("skew", [None, 1.0])
@pytest.mark.parametrize("until", [{"S": "x"}, {"N": "-1"}, {"N": "1" + "0" * 30}])
def test_others_are_taken_beside_a_permit_that_does_not_say_when_it_ends(skew, until):
    process = Process(skew=skew)
    process.driver.run(process.locks.permit("jobs", 3).run())
    item = {**process.driver.row("jobs#1"), "held_until": until}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    names = [process.driver.run(asking(process, timeout=0.0).run()).name for _ in range(2)]
    assert sorted(names) == ["jobs#0", "jobs#2"]


def test_a_permit_that_is_not_usable_is_logged(process, caplog):
    item = {"pk": {"S": "lock#jobs#1"}, "version": {"N": "1"}}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    process.driver.run(asking(process).run())
    assert "not usable" in caplog.text


def test_the_permit_whose_lease_ends_first_is_looked_at_when_it_ends(process, other, full):
    process.release(full[1])
    other.driver.draw = 0.4
    short = other.locks.permit("jobs", PERMITS, lease=timedelta(seconds=5))
    assert other.driver.run(short.run()).name == "jobs#1"
    waiter = Process(process.driver.store, poll=60.0)
    began = waiter.driver.now
    assert waiter.driver.run(asking(waiter).run()).name == "jobs#1"
    assert 5.0 <= waiter.driver.now - began < 5.2
