"""Ways to get transactions wrong, each of which the simulator has to notice."""

from interlock._protocol.transactions import attempt, commit
from tests.simulation.mistakes import Mistake

NO_ORDER = "no serial order"
TWICE = "2 times"
ONLY = "    entry = actions[0].entry\n"
GIVEN_UP = "was given up, yet written"

TRANSACTION_MISTAKES = (
    Mistake(
        "reads are not validated",
        "transactions",
        attempt,
        "        expression.require_unchanged(address, image)\n",
        "        pass\n",
        NO_ORDER,
    ),
    Mistake(
        "what is read and not written is not validated",
        "transactions",
        attempt,
        "entry.image is None and entry.write is None",
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
        "no token",
        "transactions-lost-replies",
        commit,
        '{"TransactItems": items, "ClientRequestToken": attempt.id}',
        '{"TransactItems": items}',
        TWICE,
    ),
    Mistake(
        "a blind write of one item is a plain write",
        "transactions-lost-replies",
        commit,
        f"{ONLY}    return entry is not None and entry.image is not None and entry",
        f"{ONLY}    return entry.image is None or entry",
        TWICE,
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
        "transactions-crashes",
        commit,
        "self.in_doubt, fault = True, lost",
        "self.in_doubt, fault = False, lost",
        f"{GIVEN_UP}|failed with",
    ),
    Mistake(
        "given up in doubt for an absence that may come back",
        "transactions-late",
        commit,
        "if sending.in_doubt and not any(_replaced(action) for action in stale):",
        "if sending.in_doubt and not stale:",
        GIVEN_UP,
    ),
)
