"""Regions that lack something the templates use.

Types that its CloudFormation does not know are those without a schema in cfn-lint, by region.
SnapStart of Python: https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
"""

from collections.abc import Sequence

from aws_cdk import region_info

_SIGNER = frozenset(
    {
        *("ap-east-2", "ap-northeast-3", "ap-south-2", "ap-southeast-3", "ap-southeast-4"),
        *("ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2"),
        *("eu-south-2", "il-central-1", "me-central-1", "mx-central-1"),
    }
)
_BUDGETS = (_SIGNER - {"ap-northeast-3"}) | {"af-south-1", "ap-east-1", "eu-north-1", "eu-south-1"}
_SNAP_START = frozenset({"ap-east-2", "ap-southeast-6"})
_COMMERCIAL, _CHINA = "aws", "aws-cn"


def known() -> Sequence[str]:
    """Return the regions that CDK knows."""
    return [each.name for each in region_info.RegionInfo.regions]


def partition(region: str) -> str:
    """Return the partition of a region that CDK knows ("aws-eusc" of "eusc-de-east-1")."""
    found = region_info.RegionInfo.get(region).partition
    if found is None:
        raise ValueError(f"{region} is in no partition that CDK knows")
    return found


def has_snap_start(region: str) -> bool:
    """Whether Lambda starts Python functions from a snapshot there."""
    return partition(region) == _COMMERCIAL and region not in _SNAP_START


def has_budgets(region: str) -> bool:
    """Whether CloudFormation makes budgets there."""
    return partition(region) in {_COMMERCIAL, _CHINA} and region not in _BUDGETS


def has_code_signing(region: str) -> bool:
    """Whether Lambda checks signatures of code there."""
    return partition(region) != _CHINA and region not in _SIGNER


def has_tls_policies(region: str) -> bool:
    """Whether REST APIs take the security policies of 2025 there; TLS 1.2 is their least anyway."""
    return partition(region) == _COMMERCIAL


def has_user_pools(region: str) -> bool:
    """Whether Cognito has user pools there."""
    return partition(region) != _CHINA
