"""One meaning for each answer, and one way to try again."""

import pytest

from interlock import errors
from interlock._protocol.faults import CancellationReason, Fault, NoReply, NotSent, Refused
from interlock._protocol.requests import Draw, Monotonic, Sleep
from interlock._protocol.retry import RetryBudget, Target, may_pass, meaning

TABLE = Target(("t",), "CoordinationTable.grant_locks(...)")
KEY = Target(key="alias/receipts", grant="SigningKey.grant_sign(...)")
CREDENTIALS = [
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "NoCredentialsError",
    "PartialCredentialsError",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "TokenRetrievalError",
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
def test_a_denied_call_names_the_grant(target):
    error = meaning(Refused("AccessDeniedException", "no"), target)
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


@pytest.mark.parametrize("code", ["DisabledException", "NotFoundException"])
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


@pytest.mark.parametrize("hopeless", ["ValidationError", "ConditionalCheckFailed"])
def test_one_hopeless_action_decides_for_its_transaction(hopeless):
    reasons = (CancellationReason("TransactionConflict"), CancellationReason(hopeless))
    assert not may_pass(Refused("TransactionCanceledException", reasons=reasons))


def test_throttling_passes_on_which_limit_of_what():
    reason = "TableWriteKeyRangeThroughputExceeded of arn:aws:dynamodb:us-east-1:1:table/t"
    error = meaning(Refused("ThrottlingException", "slow", throttling=(reason,)), TABLE)
    assert isinstance(error, errors.Throttled)
    assert error.reasons == (reason,)
    assert reason in str(error)


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
