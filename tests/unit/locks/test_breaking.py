"""An operator ends a grant from outside: the guard fails, the reason stays, no other grant ends."""

from datetime import timedelta

import pytest

from interlock._protocol.faults import Refused
from interlock._protocol.locks.lease import export
from interlock._protocol.locks.record import expiry, guard
from interlock.errors import (
    CorruptRecord,
    InterlockError,
    InvalidLockName,
    InvalidValue,
    LockLost,
    LossReason,
    ServiceUnavailable,
)
from tests.unit.locks.scripted import TABLE, lose_reply, lose_request, refuse, unreachable
from tests.unit.locks.test_corrupt import DECIDING, HELD, UNSOUND, poison


def break_lock(process, name="a", because="its host is gone", **options):
    return process.driver.run(process.locks.break_lock(name, because=because, **options))


def guarded_write(process, fence):
    put = {"Put": {"TableName": TABLE, "Item": {"pk": {"S": "mine"}}}}
    check = guard(TABLE, "a", fence)
    process.driver.store.perform("TransactWriteItems", {"TransactItems": [check, put]})


def test_a_broken_lock_is_free_under_a_greater_fence_and_says_why(process, other):
    grant = process.acquire()
    record = break_lock(other)
    assert (record.held, record.fencing_token) == (False, grant.fence + 1)
    told = record.broken
    assert (told.because, told.by) == ("its host is gone", "somebody")
    assert (told.fencing_token, told.owner) == (grant.fence, "somebody")
    assert other.driver.operations() == ["GetItem", "UpdateItem"]
    assert set(process.driver.row("a")) == {"pk", "fence", "broken", "expires"}


def test_the_guard_of_its_holder_fails_and_its_next_heartbeat_says_so(process, other):
    grant = process.acquire()
    guarded_write(process, grant.fence)
    break_lock(other)
    with pytest.raises(Refused, match="ConditionalCheckFailed"):
        guarded_write(process, grant.fence)
    process.renew(grant)
    assert grant.loss is LossReason.BROKEN
    assert process.release(grant) is False


def test_a_holder_who_releases_first_learns_it_then(process, other):
    grant = process.acquire()
    break_lock(other)
    assert process.release(grant) is False
    assert grant.loss is LossReason.BROKEN


def test_the_next_holder_is_shown_why_and_the_one_after_is_not(process, other):
    broken = process.acquire()
    break_lock(other)
    following = other.acquire()
    assert following.after_break.because == "its host is gone"
    process.renew(broken)
    assert broken.loss is LossReason.BROKEN
    other.release(following)
    last = process.acquire()
    assert last.after_break is None
    record = process.driver.run(process.locks.inspect("a"))
    assert record.broken.fencing_token == broken.fence


def test_what_was_exported_cannot_be_adopted_any_more(process, other):
    text = export(process.acquire())
    break_lock(other)
    with pytest.raises(LockLost) as caught:
        other.adopt(text)
    assert caught.value.reason is LossReason.BROKEN


def test_there_is_nothing_to_break_of_a_lock_that_is_free(process, other):
    assert break_lock(process) is None
    grant = process.acquire()
    process.release(grant)
    before = process.driver.row("a")
    assert break_lock(other) is None
    assert break_lock(other, fence=grant.fence) is None
    assert process.driver.row("a") == before


def test_only_the_grant_that_was_named_is_ended(process, other):
    grant = process.acquire()
    assert break_lock(other, fence=grant.fence - 1) is None
    process.renew(grant)
    assert grant.loss is None
    assert break_lock(other, fence=grant.fence) is not None


@pytest.mark.parametrize("failure", [lose_request, lose_reply, unreachable])
@pytest.mark.parametrize("at", [0, 1], ids=["look", "write"])
def test_it_is_tried_again_and_breaks_once(process, other, failure, at):
    grant = process.acquire()
    other.driver.script = [None] * at + [failure]
    assert break_lock(other).fencing_token == grant.fence + 1
    assert process.driver.row("a")["fence"] == {"N": str(grant.fence + 1)}


def test_an_answer_that_says_nothing_of_the_table_is_no_free_lock(process, other):
    grant = process.acquire()
    other.driver.script = [lambda *_: {}]
    assert break_lock(other).fencing_token == grant.fence + 1
    other.driver.script = [lambda *_: {}] * 1000
    with pytest.raises(ServiceUnavailable, match="which table"):
        break_lock(other)


def test_a_repetition_leaves_the_successor_alone(process, other):
    grant = process.acquire()
    taken = []

    def overtaken(driver, operation, params):
        process.release(grant)
        taken.append(process.acquire())
        return lose_request(driver, operation, params)

    other.driver.script = [None, overtaken]
    assert break_lock(other) is None
    process.renew(taken[0])
    assert taken[0].loss is None


@pytest.mark.parametrize("again", [False, True], ids=["free", "taken again"])
def test_a_write_that_comes_after_the_end_of_its_grant_breaks_nothing(process, other, again):
    grant = process.acquire()

    def late(driver, operation, params):
        process.release(grant)
        if again:
            process.acquire()
        return driver.store.perform(operation, params)

    other.driver.script = [None, late]
    assert break_lock(other) is None
    assert "broken" not in process.driver.row("a")


def test_a_break_that_the_answer_does_not_show_is_tried_again(process, other):
    grant = process.acquire()
    held = process.driver.row("a")
    other.driver.script = [None, lambda *_: {"Attributes": held}]
    assert break_lock(other).fencing_token == grant.fence + 1
    assert "version" not in process.driver.row("a")


def test_a_heartbeat_in_between_does_not_save_the_holder(process, other):
    grant = process.acquire()

    def renewed(driver, operation, params):
        process.renew(grant)
        return driver.store.perform(operation, params)

    other.driver.script = [None, renewed]
    assert break_lock(other) is not None
    process.renew(grant)
    assert grant.loss is LossReason.BROKEN


SOUND = {"fence", "version", "lease_ms", "pk"}
MENDED = [*[one for one in DECIDING if one[0] != "format"], ("format", {"S": "x"}), ("fence", None)]


@pytest.mark.parametrize(("attribute", "value"), MENDED)
def test_a_corrupt_record_is_mended(process, attribute, value):
    poison(process, **{attribute: value})
    record = break_lock(process)
    wall = int(process.driver.row("a")["broken"]["M"]["at"]["N"])
    assert record.fencing_token == (wall if attribute == "fence" else 8)
    assert process.acquire().fence == record.fencing_token + 1


@pytest.mark.parametrize(
    ("attribute", "value"), [one for one in UNSOUND if one != ("format", {"N": "2"})]
)
def test_whatever_keeps_a_lock_from_being_granted_is_mended(process, attribute, value):
    poison(process, **{attribute: value})
    assert not process.driver.run(process.locks.break_lock("a", because="it was corrupt")).held
    assert process.acquire(timeout=0.0)


def test_those_who_wait_keep_their_places_when_something_else_is_mended(process):
    queue = {"L": [{"S": "v~1700000000000~90~o"}]}
    poison(process, queue=queue, lease_ms={"S": "x"})
    process.driver.run(process.locks.break_lock("a", because="it was corrupt"))
    assert process.driver.row("a")["queue"] == queue


def test_several_faults_are_mended_together(process):
    poison(process, void_before={"S": "x"}, format={"S": "y"}, version={"N": "1"})
    break_lock(process)
    assert set(process.driver.row("a")) == {"pk", "fence", "broken", "expires"}


def test_a_sound_bound_on_late_requests_outlives_the_mending(process):
    poison(process, void_before={"N": "1700000000123"}, lease_ms=None)
    break_lock(process)
    assert process.driver.row("a")["void_before"] == {"N": "1700000000123"}


@pytest.mark.parametrize("fence", ["0", "1", "9"])
def test_a_corrupt_record_that_changes_meanwhile_is_looked_at_again(process, fence):
    poison(process, lease_ms=None)

    def mended(driver, operation, params):
        poison(process, fence={"N": fence})
        return driver.store.perform(operation, params)

    process.driver.script = [None, mended]
    assert break_lock(process) is None
    assert process.driver.row("a")["version"] == HELD["version"]


def test_a_corrupt_record_that_is_made_whole_meanwhile_is_left_alone(process):
    poison(process, lease_ms=None)

    def completed(driver, operation, params):
        poison(process)
        return driver.store.perform(operation, params)

    process.driver.script = [None, completed]
    assert break_lock(process) is None
    assert process.driver.row("a") == HELD


def test_the_record_of_a_newer_version_is_left_alone(process):
    poison(process, format={"N": "2"})
    with pytest.raises(CorruptRecord) as caught:
        break_lock(process)
    assert caught.value.newer


@pytest.mark.parametrize("because", ["", "  ", "x" * 501, None, 7])
def test_a_reason_is_needed_and_short(process, because):
    with pytest.raises(InvalidValue, match="because"):
        break_lock(process, because=because)
    assert process.driver.calls == []


def test_a_reason_may_have_500_characters(process):
    process.acquire()
    assert break_lock(process, because="x" * 500).broken.because == "x" * 500


@pytest.mark.parametrize("fence", ["7", 7.0, True])
def test_the_grant_to_end_is_named_by_a_number(process, fence):
    with pytest.raises(InvalidValue, match="fencing_token"):
        break_lock(process, fence=fence)


def test_a_break_says_when_it_was_and_keeps_the_row_for_a_week(process, other):
    process.acquire()
    time = other.driver.time_of_day()
    break_lock(other)
    row = process.driver.row("a")
    at = int(row["broken"]["M"]["at"]["N"]) / 1000
    assert 0 <= at - time.service < 1.0
    assert int(row["expires"]["N"]) == expiry(time._replace(service=at), 0.0)


def test_a_fence_that_was_lost_is_set_by_the_time(process):
    poison(process, fence=None)
    now = process.driver.time_of_day().service
    broken = break_lock(process).broken
    assert broken.fencing_token == 0
    assert 0 <= int(process.driver.row("a")["fence"]["N"]) / 1000 - now < 1.0


def test_a_free_record_without_a_fence_is_left_alone(process):
    poison(process, fence=None, version=None)
    before = process.driver.row("a")
    assert break_lock(process) is None
    assert process.driver.row("a") == before


@pytest.mark.parametrize("owner", [None, {"S": ""}])
def test_a_break_names_no_owner_where_the_record_has_none(process, owner):
    poison(process, owner=owner)
    assert break_lock(process).held is False
    assert "owner" not in process.driver.row("a")["broken"]["M"]


def test_a_lock_that_changes_each_time_is_given_up_in_time(process, other):
    process.acquire()
    changed = refuse("ConditionalCheckFailedException")
    other.driver.script = [None, changed] * 2000
    began = other.driver.now
    with pytest.raises(ServiceUnavailable, match="changes too often"):
        break_lock(other)
    assert 2.0 < other.driver.now - began < 10.0


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException"])
def test_a_break_that_is_refused_for_good_says_so(process, other, code):
    process.acquire()
    other.driver.script = [None, refuse(code)]
    with pytest.raises(InterlockError, match="why"):
        break_lock(other)


def test_no_call_is_waited_for_beyond_the_time_of_a_break(process, other):
    process.acquire()
    began = other.driver.now
    break_lock(other)
    assert all(began < deadline < began + 10.0 for deadline in other.driver.deadlines)


@pytest.mark.parametrize("broken", [{"S": "x"}, {"M": {}}, {"M": {"because": {"N": "1"}}}])
def test_what_cannot_be_read_of_a_break_is_left_out(process, broken):
    poison(process, broken=broken)
    assert process.driver.run(process.locks.inspect("a")).broken is None


def test_a_permit_is_broken_by_its_number(process):
    grant = process.driver.run(process.locks.permit("render", 1).run())
    assert process.driver.run(process.locks.inspect(grant.name)).held
    assert break_lock(process, grant.name).broken.fencing_token == grant.fence
    for name in ("render#", "render#x", "#1", "a#1#2"):
        with pytest.raises(InvalidLockName):
            break_lock(process, name)


def test_of_several_permits_the_broken_one_is_free_again(process, other):
    grants = [process.driver.run(process.locks.permit("render", 2).run()) for _ in range(2)]
    break_lock(other, grants[1].name)
    again = other.driver.run(other.locks.permit("render", 2, timeout=timedelta()).run())
    assert again.name == grants[1].name
    assert again.after_break.fencing_token == grants[1].fence


def test_a_client_breaks_a_lock_of_another(make):
    holder, operator = make(lease=timedelta(seconds=30)), make(owner="ops")
    lock = holder.acquire("a")
    record = operator.break_lock("a", because="stuck", fencing_token=lock.fencing_token)
    assert (record.broken.by, record.broken.owner) == ("ops", lock.owner)
    assert lock.release() is False
    with pytest.raises(LockLost) as caught:
        lock.ensure()
    assert caught.value.reason is LossReason.BROKEN
    with operator.acquire("a") as following:
        assert following.after_break == record.broken
    assert operator.break_lock("b", because="stuck") is None
