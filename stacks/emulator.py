"""Parts that an emulator of AWS on one machine does not know, left out in one place."""

from typing import Any

import aws_cdk as cdk
import jsii
from constructs import IConstruct

# Types that the emulator's CloudFormation refuses. None of them carries a request: the local
# application answers as the real one does, without the guards around it.
UNKNOWN_TO_EMULATOR = frozenset(
    {
        "AWS::ApplicationAutoScaling::ScalableTarget",
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        "AWS::Backup::BackupSelection",
        "AWS::Budgets::Budget",
        "AWS::CodeDeploy::Application",
        "AWS::CodeDeploy::DeploymentConfig",
        "AWS::CodeDeploy::DeploymentGroup",
        "AWS::EC2::EIP",
        "AWS::EC2::FlowLog",
        "AWS::EC2::NatGateway",
        "AWS::EC2::NetworkAcl",
        "AWS::EC2::NetworkAclEntry",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::SubnetNetworkAclAssociation",
        "AWS::WAFv2::LoggingConfiguration",
        "AWS::WAFv2::WebACLAssociation",
        "Custom::VpcRestrictDefaultSG",
    }
)
LEFT_OUT = "interlock:left-out"  # key of the list in the Metadata of each template


@jsii.implements(cdk.IAspect)
class LeaveOut:
    """Removes what the emulator does not know, and writes the list into the template."""

    def __init__(self) -> None:
        self.removed: dict[str, set[str]] = {}

    def visit(self, node: IConstruct) -> None:
        """Remove the node, or what of it an emulator would wait for without end."""
        if not isinstance(node, cdk.CfnResource):
            return
        if node.cfn_resource_type in UNKNOWN_TO_EMULATOR:
            self._remove(node)
        elif node.cfn_resource_type == "AWS::AutoScaling::AutoScalingGroup":
            # No instance is started here, so none would ever signal.
            node.cfn_options.creation_policy = None
            node.cfn_options.update_policy = None
        elif node.cfn_resource_type == "AWS::Lambda::Alias":
            node.cfn_options.update_policy = None  # names the deployment group, which is left out

    def _remove(self, node: cdk.CfnResource) -> None:
        scope = node.node.scope
        if scope is None or not scope.node.try_remove_child(node.node.id):
            return
        stack = cdk.Stack.of(node)
        removed = self.removed.setdefault(stack.artifact_id, set())
        removed.add(node.cfn_resource_type)
        stack.add_metadata(LEFT_OUT, sorted(removed))


def leave_out_for_emulator(app: cdk.App) -> LeaveOut:
    """Add the aspect to an app and return it; `removed` is filled by the synthesis."""
    aspect: Any = LeaveOut()
    cdk.Aspects.of(app).add(aspect, priority=cdk.AspectPriority.MUTATING)
    leave_out: LeaveOut = aspect
    return leave_out
