"""Ways to get jobs wrong, each of which the simulator has to notice."""

from interlock._protocol.locks import jobs, lease, record
from tests.simulation.mistakes import CONDITION, RENEWAL
from tests.simulation.mutation import Mistake

AGAIN = "runs the job again after"

MISTAKES = (
    Mistake(
        "lock given back before its time is over",
        "jobs-calm",
        jobs,
        "return grant.stays is not None and now < grant.stays",
        "return False",
        AGAIN,
    ),
    Mistake(
        "heartbeat that shortens the lease to less than the time",
        "jobs-crashes",
        lease,
        "return grant.lease if grant.stays is None else settings.lease_until(grant.stays, now)",
        "return grant.lease if grant.stays is None else settings.lease",
        AGAIN,
    ),
    Mistake(
        "run that begins whatever is left of its lease",
        "jobs-pauses",
        jobs,
        "if grant.over or grant.until - now <= job.at_least:",
        "if grant.over:",
        AGAIN,
        found=46,
    ),
    Mistake(
        "time without a margin for drift",
        "jobs-drift",
        jobs,
        "return time * (1.0 + DRIFT)",
        "return time",
        AGAIN,
    ),
    Mistake(
        "take-over of what seems over by the wall clocks",
        "jobs-storm",
        jobs,
        "if (yield from self._claim.takeable(seen)):",
        "if (yield from _seems_over(seen)):",
        f"{AGAIN}|hold 'l'|by its clock",
    ),
    Mistake(
        "result of any run, and not of the one that was met",
        "jobs-calm",
        jobs,
        "run_fence(item) < fence or was",
        "run_fence(item) < 1 or was",
        "gets the result of a run before the one it met",
    ),
    Mistake(
        "record of a run without a condition",
        "jobs-storm",
        record,
        "ours = _among(own, values)\n",
        "ours = 'attribute_exists(pk)'\n",
        f"the record of the last run went from|the store has it free|{AGAIN}",
    ),
    Mistake(
        "record of a run by a heartbeat without a condition",
        "jobs-lost-replies",
        record,
        RENEWAL + CONDITION,
        RENEWAL + '"ConditionExpression": _among(own, values) '
        'if run is None else "attribute_exists(pk)",',
        f"the record of the last run went from|renewed|without a new fence|{AGAIN}",
    ),
)
