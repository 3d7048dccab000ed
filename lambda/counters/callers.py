"""Callers: the machine that signed a request, or the person for whom the service signed it.

API Gateway verifies the signature and names the signer (`userArn`); nothing that a caller writes
can change that. The header is believed from the service's role alone, which writes it after it has
verified the load balancer's claims, and signs it with the rest. From any other it is not read.
"""

from dataclasses import dataclass
from urllib.parse import unquote

from problems import invalid
from request import Request

SUBJECT = "X-Interlock-Subject"
_NAMED_BY_CALLERS = (":assumed-role/", ":federated-user/")
_LONGEST = 256  # as server/claims.py takes them


@dataclass(frozen=True, slots=True)
class Speaker:
    """The role that may name people: the ARN of what assumes it, without the session's name."""

    arn: str | None

    def is_signer(self, arn: str | None) -> bool:
        """Return whether a session of this role has signed."""
        return bool(self.arn and arn and arn.startswith(f"{self.arn}/"))


NO_SPEAKER = Speaker(None)


def person_of(request: Request, speaker: Speaker) -> str | None:
    """Return the subject of the person for whom the service asks.

    None for a machine, and where the service is open to all. Raises the problem of a subject that
    the service would not have sent: nothing is to be changed under a name that is in doubt.
    """
    if not speaker.is_signer(request.signer):
        return None
    text = request.single(SUBJECT)
    if text is None:
        return None
    subject = unquote(text)
    # An ARN would be taken for that of a machine, in a receipt.
    if not 0 < len(subject) <= _LONGEST or not subject.isprintable() or subject.startswith("arn:"):
        raise invalid(SUBJECT, "this names no person")
    return subject


def subject_of(request: Request, speaker: Speaker) -> str | None:
    """Return who asks, as a receipt states it: a person's subject, or the ARN of a machine.

    Of an assumed role it is the role alone: its session has a name that the caller chose, which
    says nothing for certain, and is a person's mail address where IAM Identity Center made it. So
    has a federated user. None where the service is open to all, for it knows none of them. Raises
    as `person_of` does.
    """
    arn = request.signer
    if speaker.is_signer(arn):
        return person_of(request, speaker)
    if arn and any(kind in arn for kind in _NAMED_BY_CALLERS):
        return arn.rpartition("/")[0]
    return arn
