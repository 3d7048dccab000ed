"""Ways to get a leader's term wrong, each of which the simulator has to notice."""

from interlock.aio.locks import _term
from tests.simulation.mutation import Mistake

MISTAKES = (
    Mistake(
        "term without a renew deadline",
        "leading",
        _term,
        "or now >= self._ends()",
        "",
        "unanswered for",
    ),
    Mistake(
        "renew deadline that is the end of the lease",
        "leading",
        _term,
        "return grant.until - grant.lease + self._renew_deadline",
        "return grant.until",
        "unanswered for",
    ),
    Mistake(
        "term that goes on when its lock was given back",
        "leading-calm",
        _term,
        "grant.closed or ",
        "",
        "lead",
    ),
    Mistake(
        "term that begins again with an answer",
        "leading",
        _term,
        "if not self._over:",
        "if True:",
        "was over, and goes on",
        found=40,
    ),
)
