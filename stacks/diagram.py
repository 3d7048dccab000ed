"""The stacks and what each holds, as Mermaid: docs/architecture.md shows it, a test compares."""

from collections.abc import Iterable, Mapping

# What people look for in a stack; a type that is not here is a detail of one that is.
SHOWN = {
    "AWS::ApiGateway::RestApi": "REST API",
    "AWS::AutoScaling::AutoScalingGroup": "Auto Scaling group",
    "AWS::Backup::BackupPlan": "backup plan",
    "AWS::Budgets::Budget": "budget",
    "AWS::CloudWatch::Dashboard": "dashboard",
    "AWS::Cognito::UserPool": "user pool",
    "AWS::CodeDeploy::DeploymentGroup": "canary release",
    "AWS::DynamoDB::GlobalTable": "coordination table",
    "AWS::EC2::VPC": "VPC",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "load balancer",
    "AWS::KMS::Key": "KMS keys",
    "AWS::Lambda::Function": "functions",
    "AWS::Lambda::LayerVersion": "runtime layer",
    "AWS::S3::Bucket": "log buckets",
    "AWS::ServiceDiscovery::Service": "Cloud Map service",
    "AWS::SNS::Topic": "alarms' topic",
    "AWS::WAFv2::WebACL": "firewall",
}


def diagram(stacks: Mapping[str, Iterable[str]], needs: Mapping[str, Iterable[str]]) -> str:
    """Draw stacks, given with the types of their resources, and the stacks that each needs."""
    lines = ["flowchart LR"]
    for stack, types in sorted(stacks.items()):
        parts = sorted({SHOWN[kind] for kind in types if kind in SHOWN})
        lines.append(f'    {stack}["<b>{stack}</b><br/>{"<br/>".join(parts)}"]')
    for stack, others in sorted(needs.items()):
        lines += [f"    {stack} --> {other}" for other in sorted(others)]
    return "\n".join(lines)
