"""A group of instances of which one leads: what each may do to be elected."""

from collections.abc import Sequence

from aws_cdk import Token
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_iam as iam
from constructs import Construct

from interlock._protocol.texts import texts
from interlock.constructs.icoordination_table import ICoordinationTable


class LeaderElectedService(Construct):
    """Lets the members of a group elect a leader among them.

    `group` is what they have their rights from: an Auto Scaling group, or the role of tasks. Each
    may campaign for one lock, `election`, and for no other: the name that they give to
    `LeaderElection`. `state` names prefixes of the application's own items ("history#") that they
    read and write in the same table, so that the leader can change them under the lock's guard.

    Raises `ValueError` for an election's name that is empty or ends in "*" (that would be a
    namespace, in which two could lead), for a prefix that `grant_prefix` refuses, and for a group
    whose role is not known.
    """

    grant: iam.Grant
    """What the group was given."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: ICoordinationTable,
        group: autoscaling.IAutoScalingGroup | iam.IRole,
        election: str,
        state: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        if not Token.is_unresolved(election) and (not election or election.endswith("*")):
            raise ValueError(f"election is {election!r}: give the name of one lock")
        if isinstance(group.grant_principal, iam.UnknownPrincipal):
            raise ValueError(  # noqa: TRY004 - of all groups it is the value that is wrong
                f"{group.node.path} is imported, and its role is not known: "
                "grant_locks to that role instead"
            )
        prefixes = texts("state", state)
        self.election = election
        self.grant = table.grant_locks(group, election)
        for prefix in prefixes:
            self.grant = self.grant.combine(table.grant_prefix(group, prefix, "*"))
