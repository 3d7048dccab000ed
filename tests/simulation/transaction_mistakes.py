"""Ways to get transactions wrong, each of which the simulator has to notice."""

from interlock._protocol import requests
from interlock._protocol.locks import lease, record
from interlock._protocol.transactions import (
    actions,
    commit,
    idempotency,
    reads,
    run,
    sending,
)
from tests.simulation.mistakes import Mistake

NO_ORDER = "no serial order"
TWICE = "[2-9] times"
GIVEN_UP = "was given up, yet written"
SINGLE = "    entry = actions[0].entry\n    return entry is not None and "
REPLACED = "    entry = action.entry\n    return entry is not None and "

TRANSACTION_MISTAKES = (
    Mistake(
        "reads are not validated",
        "transactions",
        actions,
        "        expression.require_unchanged(address, snapshot)\n",
        "        pass\n",
        NO_ORDER,
    ),
    Mistake(
        "what is read and not written is not validated",
        "transactions",
        actions,
        "entry.snapshot is None and entry.write is None",
        "entry.write is None",
        NO_ORDER,
    ),
    Mistake(
        "reads alone are believed to be true at one instant",
        "transactions",
        commit,
        "if attempt.instants <= 1:",
        "if attempt.instants <= 9:",
        NO_ORDER,
    ),
    Mistake(
        "eventually consistent reads",
        "transactions-stale-reads",
        reads,
        '"ConsistentRead": True',
        '"ConsistentRead": False',
        NO_ORDER,
    ),
    Mistake(
        "no token",
        "transactions-lost-replies",
        commit,
        '"ClientRequestToken": attempt.id, **CAPACITY',
        "**CAPACITY",
        f"{TWICE}|{GIVEN_UP}",
    ),
    Mistake(
        "a blind write of one item is a plain write",
        "transactions-lost-replies",
        commit,
        f"{SINGLE}entry.snapshot is not None and entry.snapshot.unique",
        f"{SINGLE}(entry.snapshot is None or entry.snapshot.unique)",
        TWICE,
    ),
    Mistake(
        "an item without a version is written by a plain write",
        "transactions-rude-outsiders",
        commit,
        f"{SINGLE}entry.snapshot is not None and entry.snapshot.unique",
        f"{SINGLE}entry.snapshot is not None and entry.snapshot.item is not None",
        f"{TWICE}|{GIVEN_UP}",
    ),
    Mistake(
        "given up in doubt for the lack of a version, which may come back",
        "transactions-rude-outsiders",
        commit,
        f"{REPLACED}entry.snapshot is not None and entry.snapshot.unique",
        f"{REPLACED}entry.snapshot is not None and entry.snapshot.item is not None",
        f"{TWICE}|{GIVEN_UP}",
        found=230,
    ),
    Mistake(
        "the own id in a refusal is not recognised",
        "transactions-lost-replies",
        commit,
        "if attempt.id in found.writers:",
        "if attempt.id in ():",
        GIVEN_UP,
    ),
    Mistake(
        "a lost reply is forgotten",
        "transactions-late",
        sending,
        "self.in_doubt = True\n            return lost",
        "return lost",
        f"{GIVEN_UP}|failed with",
    ),
    Mistake(
        "a copy that the client below has sent is forgotten",
        "transactions-throttled-copies",
        sending,
        "refusal.resent or refusal.code == _IN_PROGRESS",
        "refusal.code == _IN_PROGRESS",
        f"{GIVEN_UP}|failed with",
    ),
    Mistake(
        "an answer is believed whatever it says",
        "transactions-lies",
        sending,
        "if self._answers(reply):",
        "if reply is not None:",
        "0 times",
    ),
    Mistake(
        "given up in doubt for an absence that may come back",
        "transactions-late",
        commit,
        "if request.in_doubt and not keyed and not any(_replaced(action) for action in stale):",
        "if request.in_doubt and not keyed and not stale:",
        GIVEN_UP,
    ),
    Mistake(
        "a record that replaces one that counts",
        "transactions-keyed",
        idempotency,
        "OR {until} <= {over}",
        "OR {expires} >= {over}",
        TWICE,
    ),
    Mistake(
        "a record that is over by the caller's own clock",
        "transactions-keyed-wrong-clocks",
        requests,
        "return self.service if self.heard else 0.0",
        "return self.wall",
        TWICE,
    ),
    Mistake(
        "no record beside the new one for processes of the earlier version",
        "transactions-keyed-versions",
        idempotency,
        "if self.unscoped is None or occupied:",
        "if attempt_id:",
        TWICE,
    ),
    Mistake(
        "the record of another operation is taken for the own",
        "transactions-keyed-operations",
        idempotency,
        'if operation is not None and operation != {"S": self.operation}:',
        "if operation is None:",
        "has several results|has not happened",
    ),
    Mistake(
        "a commit that gives back a lock that is another's by now",
        "transactions-releases",
        record,
        '"ConditionExpression": _HELD,\n            "ExpressionAttributeNames": _NAMES,',
        '"ConditionExpression": "fence >= :fence AND attribute_exists(version)",\n'
        '            "ExpressionAttributeNames": _NAMES,',
        "a stale holder wrote|its lock is not free",
        found=27,
    ),
    Mistake(
        "a lock that the commit gives back counts as lost",
        "transactions-releases-lost-replies",
        lease,
        "    if grant.in_commit:\n",
        "    if grant.in_commit and not grant.fence:\n",
        "counts as lost",
    ),
    Mistake(
        "a lock that may have been given back is renewed",
        "transactions-releases-lost-replies",
        run,
        "attempt.committing = isinstance(error, OutcomeUnknown)",
        "attempt.committing = False",
        "is still renewed",
    ),
    Mistake(
        "a refused commit counts as a release",
        "transactions-releases",
        run,
        "attempt.committing, self._condition_refused = False, True",
        "attempt.committing, self._condition_refused = True, True",
        "counts as given back though",
        found=27,
    ),
)
