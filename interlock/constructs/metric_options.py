"""Options of a metric, as all constructs take them."""

from typing import TypedDict, Unpack

from aws_cdk import Duration, IResource
from aws_cdk import aws_cloudwatch as cloudwatch

_MINUTE = Duration.minutes(1)


class MetricOptions(TypedDict, total=False):
    """Keyword arguments of every `metric_...` method, those of `aws_cloudwatch.MetricOptions`."""

    account: str
    color: str
    label: str
    period: Duration
    region: str
    statistic: str
    unit: cloudwatch.Unit


def metric_of(
    namespace: str,
    name: str,
    dimensions: dict[str, str],
    *,
    default_statistic: str = cloudwatch.Stats.SUM,
    of: IResource | None = None,
    **options: Unpack[MetricOptions],
) -> cloudwatch.Metric:
    """Return a metric; its period is one minute unless `options` say another.

    AWS publishes what it measures `of` a resource in the resource's region and account: there it is
    looked for, whatever stack shows it. No alarm can be of another region, and CDK says so.
    """
    chosen: MetricOptions = {"statistic": default_statistic, "period": _MINUTE, **options}
    return cloudwatch.Metric(
        namespace=namespace,
        metric_name=name,
        dimensions_map=dimensions,
        stack_region=of.env.region if of else None,
        stack_account=of.env.account if of else None,
        **chosen,
    )
