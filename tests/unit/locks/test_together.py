"""Several locks given back by one call, and one by one where that does not do."""

from datetime import timedelta

import pytest

from interlock._protocol.faults import Refused
from interlock._protocol.locks import together
from interlock._protocol.locks.lease import RELEASING
from interlock._protocol.locks.together import MOST_STATEMENTS, TRYING
from interlock.errors import ServiceUnavailable
from interlock.locks._giving_back import GivingBack
from tests.unit.locks.scripted import (
    hang,
    lose_reply,
    lose_request,
    refuse,
    throttle,
    unreachable,
)

BATCH, ALONE = "BatchExecuteStatement", "UpdateItem"
FEW = ["a", "b", "c"]


def taken(process, names=FEW):
    grants = process.driver.run(process.locks.acquire_all(names).run())
    process.driver.calls.clear()
    return grants


def give_back(process, grants):
    """Release several, as a client does that was asked to; return what it is told of each."""
    for grant in grants:
        grant.close()
    for batch in process.locks.together.batches(grants):
        process.driver.run(process.locks.together.free(batch))
    return [grant.freed or process.driver.run(process.locks.release(grant)) for grant in grants]


def held(process, names=FEW):
    return [name for name in names if "version" in process.driver.row(name)]


def error_of(place, code):
    """Carry a batch out but for one of its statements, whose answer is an error."""

    def act(driver, operation, params):
        others = [one for index, one in enumerate(params["Statements"]) if index != place]
        answers = driver.store.perform(operation, {"Statements": others})["Responses"]
        error = {"Error": {"Code": code, "Message": "why"}}
        return {"Responses": [*answers[:place], error, *answers[place:]]}

    return act


def test_many_are_given_back_by_one_call_for_each_25(process):
    names = [f"n{number}" for number in range(2 * MOST_STATEMENTS + 1)]
    grants = taken(process, names)
    assert give_back(process, grants) == [True] * len(names)
    assert process.driver.operations() == [BATCH] * 3
    assert held(process, names) == []
    for grant in grants:
        row = process.driver.row(grant.name)
        assert int(row["fence"]["N"]) == grant.fence
        assert {"owner", "lease_ms", "held_since", "held_until", "data"}.isdisjoint(row)


def test_a_row_is_as_after_a_release_of_its_own(process):
    alone, together = process.acquire("alone"), taken(process, ["x", "y"])
    process.driver.now = 2000.0
    assert process.release(alone)
    process.driver.now = 2000.0
    assert give_back(process, together) == [True, True]
    rows = [process.driver.row(name) for name in ("alone", "x")]
    assert rows[0].keys() == rows[1].keys()
    assert rows[0]["expires"] == rows[1]["expires"]


def test_one_that_another_has_taken_over_is_lost_and_stays_its(process, other):
    grants = taken(process)
    process.driver.run(process.locks.break_lock("b", because="stuck"))
    theirs = other.acquire("b")
    process.driver.calls.clear()
    assert give_back(process, grants) == [True, False, True]
    assert process.driver.operations() == [BATCH, ALONE]
    assert held(process) == ["b"]
    assert process.driver.row("b")["version"] == {"S": theirs.version}


def test_one_whose_row_was_deleted_is_lost(process):
    grants = taken(process)
    key = process.driver.store.contents
    place = next(each for each in key.items if "lock#b" in str(each.key))
    del key.items[place]
    assert give_back(process, grants) == [True, False, True]
    assert process.driver.row("b") is None


def test_one_that_others_queue_for_is_handed_on(process, other):
    grants = taken(process)
    waiting = other.locks.acquire("b", fair=True, timeout=timedelta(seconds=60))
    results = []
    other.driver.during_sleep = [
        lambda: results.append((give_back(process, grants), held(process)))
    ]
    grant = other.driver.run(waiting.run())
    assert results == [([True, True, True], ["b"])]
    assert grant.fence > grants[1].fence


@pytest.mark.parametrize("lost", [lose_reply, lose_request, hang])
def test_after_a_lost_reply_each_is_released_again_and_is_not_said_to_have_been_lost(process, lost):
    grants = taken(process)
    process.driver.script = [lost]
    began = process.driver.now
    assert give_back(process, grants) == [True] * 3
    assert process.driver.operations() == [BATCH, ALONE, ALONE, ALONE]
    assert held(process) == []
    assert process.driver.deadlines[-4] == pytest.approx(began + TRYING)


@pytest.mark.parametrize("fault", [unreachable, throttle])
def test_a_batch_that_passed_by_is_tried_again_with_the_next(process, fault):
    for _ in range(2):
        grants = taken(process)
        process.driver.script = [fault]
        assert give_back(process, grants) == [True] * 3
        assert process.driver.operations() == [BATCH, ALONE, ALONE, ALONE]


@pytest.mark.parametrize(
    "fault",
    [
        refuse("AccessDeniedException"),
        refuse("UnknownOperationException"),
        error_of(1, "AccessDenied"),
        error_of(1, "ResourceNotFound"),
        error_of(1, "ValidationError"),
    ],
)
def test_what_is_refused_for_good_is_not_asked_for_again(process, fault):
    grants = taken(process)
    process.driver.script = [fault]
    assert give_back(process, grants) == [True] * 3
    assert process.driver.operations()[0] == BATCH
    grants = taken(process)
    assert give_back(process, grants) == [True] * 3
    assert process.driver.operations() == [ALONE] * 3


@pytest.mark.parametrize("fault", [refuse("AccessDeniedException"), unreachable, throttle])
def test_a_batch_that_was_surely_not_carried_out_is_no_doubt_of_who_has_the_locks(
    process, other, fault
):
    grants = taken(process)
    other.acquire("b")  # when its lease is over on the clock of the other
    process.driver.script = [fault]
    assert give_back(process, grants) == [True, False, True]


@pytest.mark.parametrize("code", ["ThrottlingError", "TransactionConflict", "InternalServerError"])
def test_one_statement_that_failed_is_released_alone(process, code):
    grants = taken(process)
    process.driver.script = [error_of(1, code)]
    assert give_back(process, grants) == [True] * 3
    assert process.driver.operations() == [BATCH, ALONE]
    assert held(process) == []


def test_a_statement_that_may_have_been_carried_out_leaves_a_doubt(process):
    def carried_out_and_failed(driver, operation, params):
        answers = driver.store.perform(operation, params)["Responses"]
        return {"Responses": [answers[0], {"Error": {"Code": "InternalServerError"}}, answers[2]]}

    grants = taken(process)
    process.driver.script = [carried_out_and_failed]
    assert give_back(process, grants) == [True] * 3


def test_only_what_a_plain_release_gives_back_goes_into_a_batch(process):
    plain, unsure, bound, ran, handed, lost = taken(process, [*"pubrhl"])
    unsure.sending("v", process.driver.now, 20.0)
    bound.void_before, ran.run, handed.heir = 1, {"M": {}}, "x"
    process.driver.run(process.locks.break_lock("l", because="stuck"))
    process.renew(lost)
    lost.unconfirmed = ()
    grants = [plain, unsure, bound, ran, handed, lost]
    assert process.locks.together.batches(grants) == []
    (another,) = taken(process, ["q"])
    assert process.locks.together.batches([*grants, another]) == [[plain, another]]


def test_what_batches_have_freed_goes_into_no_other(process):
    grants = taken(process)
    give_back(process, grants)
    assert process.locks.together.batches(grants) == []


def test_a_batch_beside_one_that_was_refused_for_good_changes_nothing_of_that(process):
    first, second = taken(process), taken(process, ["x", "y"])
    process.driver.script = [refuse("AccessDeniedException"), unreachable]
    process.driver.run(process.locks.together.free(first))
    process.driver.run(process.locks.together.free(second))
    assert process.locks.together.batches(second) == []


def test_a_batch_and_what_it_left_take_the_time_of_a_release_together(process):
    grants = taken(process)
    began = process.driver.now
    process.driver.script = [hang] * 100
    process.driver.run(process.locks.together.free(grants))
    with pytest.raises(ServiceUnavailable):
        process.driver.run(process.locks.release(grants[0], together.LEFT))
    assert process.driver.now == pytest.approx(began + RELEASING)


def test_a_client_whose_batch_hung_has_only_the_rest_of_the_time_for_each_release(process):
    grants = taken(process)
    began = process.driver.now
    for grant in grants:
        grant.close()
    process.driver.script = [hang]
    giving_back = GivingBack(process.locks, process.driver, lambda _grant: None)
    assert giving_back.release_all(grants) == [True] * 3
    assert min(process.driver.deadlines[-3:]) == pytest.approx(began + RELEASING, abs=0.1)


def test_a_batch_that_was_interrupted_is_not_sent_again(process):
    def interrupt(driver, operation, params):
        driver.store.perform(operation, params)
        raise KeyboardInterrupt

    grants = taken(process)
    process.driver.script = [interrupt]
    with pytest.raises(KeyboardInterrupt):
        give_back(process, grants)
    process.driver.calls.clear()
    assert give_back(process, grants) == [True] * 3
    assert process.driver.operations() == [ALONE] * 3


def test_a_set_and_a_client_that_closes_give_back_by_batches(make, network):
    locks = make()
    with locks.acquire_all(FEW):
        pass
    assert network.operations()[-1] == BATCH
    kept = [locks.acquire(name) for name in "xy"]
    locks.close()
    assert len(kept) == 2
    assert network.operations()[-1] == BATCH
    assert not any(network.held(name) for name in [*FEW, "x", "y"])


def test_a_role_without_the_right_gives_back_one_by_one(make, network):
    def deny(operation, _params):
        if operation == BATCH:
            raise Refused("AccessDeniedException", "not authorized")

    network.fault = deny
    locks = make()
    assert locks.acquire_all(FEW).release()
    assert not any(network.held(name) for name in FEW)


def test_a_set_says_which_of_its_locks_was_lost(make, network):
    locks = make()
    taken = locks.acquire_all(FEW)
    network.take_away("b")
    assert taken.release() is False
    assert [lock.lost.is_set() for lock in taken] == [False, True, False]
    assert [network.held(name) for name in FEW] == [False, True, False]
