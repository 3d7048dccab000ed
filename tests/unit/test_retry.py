"""One meaning for each answer, and one way to try again."""

import pytest

from interlock import errors
from interlock._protocol.faults import (
    CancellationReason,
    Fault,
    NoReply,
    NotSent,
    OutOfTime,
    Refused,
)
from interlock._protocol.requests import Draw, Monotonic, Sleep
from interlock._protocol.retry import RetryBudget, Target, may_pass, meaning

TABLE = Target(("t",), "CoordinationTable.grant_locks(...)")
KEY = Target(key="alias/receipts", grant="SigningKey.grant_sign(...)")
CREDENTIALS = [
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NoAuthTokenError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SSOError",
    "SSOTokenLoadError",
    "SignatureDoesNotMatch",
    "TokenRetrievalError",
    "UnauthorizedSSOTokenError",
    "UnrecognizedClientException",
]
TRANSIENT = ["PriorRequestNotComplete", "RequestTimeout", "RequestTimeoutException"]
THROTTLING = [
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottlingException",
    "TooManyRequestsException",
]


@pytest.mark.parametrize("target", [TABLE, KEY], ids=["table", "key"])
@pytest.mark.parametrize("code", CREDENTIALS)
def test_credentials_that_are_not_accepted_are_no_matter_of_grants(code, target):
    error = meaning(Refused(code, "why"), target)
    assert type(error) is errors.CredentialsRejected
    assert error.code == code
    assert "grant" not in str(error)


@pytest.mark.parametrize(
    ("code", "way_out"),
    [
        ("ExpiredTokenException", "expired"),
        ("InvalidSignatureException", "clock"),
        ("UnrecognizedClientException", "disabled"),
        ("NoCredentialsError", "AWS_PROFILE"),
        ("SSOTokenLoadError", "aws sso login"),
    ],
)
def test_credentials_come_with_the_way_out_that_helps(code, way_out):
    assert way_out in str(meaning(Refused(code), TABLE))


def test_a_missing_region_is_said_so():
    error = meaning(Refused("NoRegionError", "You must specify a region."), TABLE)
    assert isinstance(error, errors.RegionMissing)
    assert "AWS_REGION" in str(error)


@pytest.mark.parametrize("target", [TABLE, KEY], ids=["table", "key"])
@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied", "UnauthorizedOperation"])
def test_a_denied_call_names_the_grant(code, target):
    error = meaning(Refused(code, "no"), target)
    assert type(error) is errors.AccessDenied
    assert f"{target.grant} allows it" in str(error)


@pytest.mark.parametrize(
    "message",
    [
        "KMS key access denied: arn:aws:kms:us-east-1:1:key/1 is disabled.",
        "User: arn:aws:iam::1:role/a is not authorized to perform: kms:Decrypt",
    ],
)
def test_the_key_of_a_table_is_no_matter_of_grants_on_the_table(message):
    error = meaning(Refused("AccessDeniedException", message), TABLE)
    assert type(error) is errors.AccessDenied
    assert "KMS key of the table is disabled or denied" in str(error)
    assert "grant_locks" not in str(error)
    assert f"{KEY.grant} allows it" in str(meaning(Refused("AccessDenied", "kms:Sign"), KEY))


@pytest.mark.parametrize(
    ("reason", "way_out"),
    [
        ("with an explicit deny in a service control policy", "which no grant overrides"),
        ("because no permissions boundary allows the dynamodb:GetItem action", "the permissions"),
        ("because no VPC endpoint policy allows the action", "the VPC endpoint policy has to"),
        ("because no identity-based policy allows the action", "grant_locks(...) allows it"),
        ("because no resource-based policy allows the action", "grant_locks(...) allows it"),
    ],
)
def test_what_no_grant_can_allow_is_said_so(reason, way_out):
    message = f"User: a is not authorized to perform: dynamodb:GetItem on resource: t {reason}"
    error = meaning(Refused("AccessDeniedException", message), TABLE)
    assert way_out in str(error)
    assert ("grant_locks" in str(error)) is ("grant_locks" in way_out)


def test_a_missing_table_is_named():
    error = meaning(Refused("ResourceNotFoundException"), TABLE)
    assert isinstance(error, errors.TableNotFound)
    assert error.table == "t"


@pytest.mark.parametrize(
    "code",
    [
        "DisabledException",
        "InvalidKeyUsageException",
        "KMSInvalidStateException",
        "KeyUnavailableException",
        "NotFoundException",
    ],
)
def test_an_unusable_key_is_named(code):
    error = meaning(Refused(code), KEY)
    assert isinstance(error, errors.KeyUnusable)
    assert "alias/receipts" in str(error)


@pytest.mark.parametrize("code", [*TRANSIENT, *THROTTLING, "TransactionConflictException"])
def test_what_passes_may_be_tried_again(code):
    assert may_pass(Refused(code))


@pytest.mark.parametrize("code", [*CREDENTIALS, "AccessDeniedException", "ValidationException"])
def test_what_does_not_pass_is_not_tried_again(code):
    assert not may_pass(Refused(code))


@pytest.mark.parametrize(
    "hopeless", ["ValidationError", "ItemCollectionSizeLimitExceeded", "ConditionalCheckFailed"]
)
def test_one_hopeless_action_decides_for_its_transaction(hopeless):
    reasons = (CancellationReason("TransactionConflict"), CancellationReason(hopeless))
    assert not may_pass(Refused("TransactionCanceledException", reasons=reasons))


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("NotFoundException", TABLE),  # a key's
        ("ResourceNotFoundException", KEY),  # a table's
        ("ValidationException", TABLE),
        ("ValidationException", KEY),
    ],
)
def test_what_no_other_error_means_is_told_as_the_service_said_it(code, target):
    error = meaning(Refused(code, "why"), target)
    assert type(error) is errors.RequestRefused
    assert (error.code, str(error).count("why")) == (code, 1)


def test_one_item_that_is_too_large_decides_for_its_transaction():
    message = "Item size has exceeded the maximum allowed size"
    reasons = (CancellationReason("None"), CancellationReason("ValidationError", message))
    refused = Refused("TransactionCanceledException", "cancelled", reasons=reasons)
    assert isinstance(meaning(refused, TABLE), errors.ItemTooLarge)


def test_only_a_table_of_this_library_s_layout_is_unfit():
    message = "The provided key element does not match the schema"
    reasons = (CancellationReason("None"), CancellationReason("ValidationError", message))
    refused = Refused("TransactionCanceledException", "cancelled", reasons=reasons)
    error = meaning(refused, Target(("t",), laid_out=True))
    assert isinstance(error, errors.TableUnfit)
    assert message in str(error)
    assert isinstance(meaning(refused, Target(("t",))), errors.RequestRefused)
    other = Refused("ValidationException", "Invalid expression")
    assert isinstance(meaning(other, Target(("t",), laid_out=True)), errors.RequestRefused)


def test_a_table_without_the_index_is_unfit_with_the_way_out():
    refused = Refused("ValidationException", "The table does not have the specified index: listing")
    error = meaning(refused, Target(("t",), laid_out=True))
    assert isinstance(error, errors.TableUnfit)
    assert "CoordinationTable(listing=True) adds it" in str(error)


@pytest.mark.parametrize(("target", "service"), [(TABLE, "DynamoDB"), (KEY, "KMS")])
def test_a_service_that_gave_no_answer_is_named(target, service):
    for fault in (NoReply("x"), Refused("RequestTimeout")):
        error = meaning(fault, target)
        assert type(error) is errors.ServiceUnavailable
        assert f"{service} " in str(error)


def test_throttling_passes_on_which_limit_of_what():
    reason = "TableWriteKeyRangeThroughputExceeded of arn:aws:dynamodb:us-east-1:1:table/t"
    error = meaning(Refused("ThrottlingException", "slow", throttling=(reason,)), TABLE)
    assert isinstance(error, errors.Throttled)
    assert error.reasons == (reason,)
    assert reason in str(error)
    assert "throttled 1 calls" in str(error)


@pytest.mark.parametrize("fault", [NoReply("x"), NotSent("x"), Refused("ThrottlingException")])
def test_a_copy_that_may_yet_land_leaves_the_outcome_unknown(fault):
    assert isinstance(meaning(fault, TABLE, ambiguous=True), errors.OutcomeUnknown)


class Time:
    """Runs a budget's operation; `slept` are its pauses, of which each is as long as it may be."""

    def __init__(self):
        self.now = 100.0
        self.slept = []

    def run(self, operation):
        reply = None
        while True:
            try:
                request = operation.send(reply)
            except StopIteration:
                return
            match request:
                case Monotonic():
                    reply = self.now
                case Draw():
                    reply = 1.0
                case Sleep(seconds):
                    reply = None
                    self.now += seconds
                    self.slept.append(seconds)

    def until_raised(self, budget, fault: Fault, **options):
        for _ in range(1000):
            try:
                self.run(budget.after(fault, **options))
            except errors.InterlockError as error:
                return error
        raise AssertionError("it is tried for ever")


@pytest.fixture
def time():
    return Time()


def test_pauses_double_up_to_the_longest(time):
    budget = RetryBudget(TABLE, first=0.1, longest=0.5, most=6)
    time.until_raised(budget, NoReply("x"))
    assert time.slept == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5])


def test_no_pause_begins_that_would_end_after_the_deadline(time):
    budget = RetryBudget(TABLE, deadline=time.now + 1.0, first=0.1)
    error = time.until_raised(budget, NotSent("no connection"))
    assert isinstance(error, errors.ServiceUnavailable)
    assert time.now <= 101.0


def test_a_silent_store_is_reported_however_long_the_caller_would_wait(time):
    budget = RetryBudget(TABLE, silence=15.0)
    assert isinstance(time.until_raised(budget, NoReply("x")), errors.ServiceUnavailable)
    assert 115.0 < time.now < 117.0


def test_an_answer_ends_the_silence(time):
    budget = RetryBudget(TABLE, silence=15.0)
    for _ in range(50):
        time.run(budget.after(NoReply("x")))
        budget.answered()
    assert max(time.slept) == budget.first


@pytest.mark.parametrize(
    ("cause", "error", "said"),
    [
        (Refused("ThrottlingException", "slow"), errors.Throttled, "throttled 1 calls"),
        (Refused("TransactionConflictException"), errors.TransactionConflict, "1 attempts"),
        (NotSent("no connection"), errors.ServiceUnavailable, "no connection"),
    ],
    ids=["throttled", "in conflict", "unreachable"],
)
def test_a_call_that_found_no_time_left_does_not_hide_what_took_it(time, cause, error, said):
    budget = RetryBudget(TABLE, deadline=time.now + 1.0, first=0.1)
    time.run(budget.after(cause))
    time.now += 1.0
    with pytest.raises(error, match=said):
        time.run(budget.after(OutOfTime()))


def test_what_was_answered_meanwhile_took_no_time(time):
    budget = RetryBudget(TABLE, deadline=time.now + 1.0, first=0.1)
    time.run(budget.after(Refused("ThrottlingException")))
    budget.answered()
    time.now += 1.0
    with pytest.raises(errors.ServiceUnavailable, match="before it was sent"):
        time.run(budget.after(OutOfTime()))


def test_a_conflict_waits_about_as_long_as_the_call_took(time):
    budget = RetryBudget(TABLE, first=0.001)
    time.run(budget.after(Refused("TransactionConflictException"), took=0.2))
    assert time.slept == [0.2]


def test_throttling_is_remembered_over_answers(time):
    budget = RetryBudget(TABLE, first=0.1)
    for _ in range(3):
        time.run(budget.after(Refused("ThrottlingException")))
        budget.answered()
    assert time.slept == pytest.approx([0.1, 0.2, 0.4])


THROTTLED = Refused("ThrottlingException")
CONFLICTED = Refused("TransactionConflictException")
TRANSIENT_ONE = Refused("RequestTimeout")


def test_an_operation_has_its_seconds_from_its_start(time):
    budget = RetryBudget(TABLE)
    time.run(budget.start(3.0))
    assert budget.deadline == 103.0


def test_a_pause_may_end_at_the_deadline(time):
    budget = RetryBudget(TABLE, deadline=time.now + 0.25, first=0.25)
    time.run(budget.after(NotSent("no connection")))
    assert time.slept == [0.25]


def test_what_never_passes_is_raised_at_once(time):
    budget = RetryBudget(TABLE)
    with pytest.raises(errors.RequestRefused):
        time.run(budget.after(Refused("ValidationException")))
    assert (time.slept, budget.failures) == ([], 0)


@pytest.mark.parametrize(
    ("ambiguous", "error"), [(False, errors.ServiceUnavailable), (True, errors.OutcomeUnknown)]
)
def test_a_caller_says_whether_a_copy_may_land(time, ambiguous, error):
    budget = RetryBudget(TABLE, most=1)
    assert type(time.until_raised(budget, NoReply("x"), ambiguous=ambiguous)) is error
    unsaid = RetryBudget(TABLE, most=1)
    assert type(time.until_raised(unsaid, NoReply("x"))) is errors.ServiceUnavailable


def test_a_caller_says_what_it_called(time):
    refused = Refused("ResourceNotFoundException")
    assert time.until_raised(RetryBudget(TABLE), refused, target=Target(("u",))).table == "u"
    assert time.until_raised(RetryBudget(TABLE), refused).table == "t"


def test_failures_are_counted_and_the_last_is_raised_with_their_number(time):
    budget = RetryBudget(TABLE, most=3)
    assert budget.attempts == 1
    error = time.until_raised(budget, THROTTLED)
    assert "throttled 3 calls" in str(error)
    assert (budget.failures, budget.attempts, budget.throttles) == (3, 4, 3)
    assert len(time.slept) == 2


def test_a_conflict_is_raised_with_the_number_of_attempts(time):
    budget = RetryBudget(TABLE, most=2)
    error = time.until_raised(budget, CONFLICTED)
    assert isinstance(error, errors.TransactionConflict)
    assert (error.attempts, budget.conflicts, budget.throttles) == (2, 2, 0)


def test_an_answer_that_decides_nothing_is_neither_throttling_nor_a_conflict(time):
    budget = RetryBudget(TABLE, first=0.1)
    time.run(budget.after(TRANSIENT_ONE, took=0.7))
    budget.answered()
    time.run(budget.after(TRANSIENT_ONE, took=0.7))
    assert time.slept == [0.1, 0.1]
    assert (budget.conflicts, budget.throttles) == (0, 0)


def test_a_rival_has_committed_and_the_next_attempt_begins_at_once(time):
    budget = RetryBudget(TABLE, deadline=time.now + 1.0)
    time.run(budget.stale())
    assert (budget.failures, budget.conflicts, time.slept) == (1, 1, [])
    time.now = budget.deadline
    with pytest.raises(errors.TransactionConflict) as raised:
        time.run(budget.stale())
    assert raised.value.attempts == 2


def test_rivals_may_commit_before_it_so_many_times(time):
    budget = RetryBudget(TABLE, most=2)
    time.run(budget.stale())
    with pytest.raises(errors.TransactionConflict):
        time.run(budget.stale())


@pytest.mark.parametrize(("took", "pause"), [(0.0, 0.5), (0.2, 0.5), (0.75, 0.75)])
def test_a_pause_after_a_conflict_has_a_least_length(time, took, pause):
    budget = RetryBudget(TABLE, first=0.1, conflict=0.5)
    time.run(budget.after(CONFLICTED, took=took))
    assert time.slept == [pause]


def test_a_conflict_of_a_call_that_took_no_time_waits_as_any_failure(time):
    budget = RetryBudget(TABLE, first=0.1)
    time.run(budget.after(CONFLICTED))
    time.run(budget.after(NoReply("x")))
    assert time.slept == [0.1, 0.2]


def test_a_silence_is_of_several_failures_and_of_more_seconds_than_allowed(time):
    budget = RetryBudget(TABLE, silence=15.0, silent_failures=3, longest=0.0)
    for elapsed in (0.0, 16.0):
        time.now = 100.0 + elapsed
        time.run(budget.after(NoReply("x")))
    with pytest.raises(errors.ServiceUnavailable):
        time.run(budget.after(NoReply("x")))
    budget.answered()
    for elapsed in (0.0, 1.0, 15.0):
        time.now = 200.0 + elapsed
        time.run(budget.after(NoReply("x")))
    time.now = 215.5
    with pytest.raises(errors.ServiceUnavailable):
        time.run(budget.after(NoReply("x")))


def test_a_silence_is_of_eight_failures_unless_said_otherwise(time):
    budget = RetryBudget(TABLE, silence=1.0)
    for _ in range(7):
        time.run(budget.after(NoReply("x")))
        time.now += 2.0
    with pytest.raises(errors.ServiceUnavailable):
        time.run(budget.after(NoReply("x")))


@pytest.mark.parametrize(
    ("deadline", "until"),
    [
        (99.0, 104.0),  # it has passed: as long after it as the grace
        (102.0, 105.0),  # it soon will have: the grace, from the first failure on
        (200.0, 200.0),  # it is far: the deadline
    ],
)
def test_a_failed_call_has_its_grace(time, deadline, until):
    budget = RetryBudget(TABLE, deadline=deadline, first=0.25, longest=0.25, grace=5.0)
    time.until_raised(budget, NotSent("no connection"))
    assert time.now == until


def test_without_a_grace_the_deadline_is_the_end(time):
    budget = RetryBudget(TABLE, deadline=100.0, first=0.25)
    time.until_raised(budget, NotSent("no connection"))
    assert time.slept == []
