"""Target tracking: how many instances the synthesized scaling policies ask for.

As Auto Scaling does it: a metric that is over its target at three data points in a row adds
instances in proportion, one that is under nine tenths of it at fifteen takes them away; where
policies differ, the one that asks for most decides. A data point is a minute there, a second here.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

OVER, UNDER = 3, 15
"""Data points in a row that add instances, and that take them away."""
_SLACK = 0.9
_KINDS = {
    "AWS::AutoScaling::AutoScalingGroup": ("MinSize", "MaxSize"),
    "AWS::ApplicationAutoScaling::ScalableTarget": ("MinCapacity", "MaxCapacity"),
}
_POLICIES = {
    "AWS::AutoScaling::ScalingPolicy": "TargetTrackingConfiguration",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "TargetTrackingScalingPolicyConfiguration",
}


class Metric(StrEnum):
    """Quantity that a policy holds at its target."""

    PROCESSOR = "processor"
    """Per cent of one processor, of each instance."""
    REQUESTS = "requests"
    """Requests a minute that each instance gets."""


_METRICS = {
    "ASGAverageCPUUtilization": Metric.PROCESSOR,
    "ECSServiceAverageCPUUtilization": Metric.PROCESSOR,
    "ALBRequestCountPerTarget": Metric.REQUESTS,
}


@dataclass(frozen=True, slots=True)
class Scaling:
    """The bounds of a group's size, and the target of each metric that it is scaled by."""

    least: int
    most: int
    targets: Mapping[Metric, float]


def scaling_of(templates: Iterable[Mapping[str, Any]]) -> Scaling:
    """Return how the group of the synthesized templates is scaled.

    Raises ValueError unless there is one group, and for a policy by a metric that is not known.
    """
    resources = [each for template in templates for each in template.get("Resources", {}).values()]
    bounds = list(_bounds(resources))
    if len(bounds) != 1:
        raise ValueError(f"the templates have {len(bounds)} groups that are scaled, not one")
    return Scaling(*bounds[0], dict(_targets(resources)))


def _bounds(resources: Iterable[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
    for resource in resources:
        if names := _KINDS.get(resource["Type"]):
            least, most = (int(resource["Properties"][name]) for name in names)
            yield least, most


def _targets(resources: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Metric, float]]:
    for resource in resources:
        if name := _POLICIES.get(resource["Type"]):
            tracked = resource["Properties"][name]
            kind = tracked.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
            if kind not in _METRICS:
                raise ValueError(f"a scaling policy tracks {kind!r}; known are {sorted(_METRICS)}")
            yield _METRICS[kind], float(tracked["TargetValue"])


class Tracking:
    """Decides the group's size from one data point after the other."""

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._points: deque[Mapping[Metric, float]] = deque(maxlen=UNDER)

    def decide(self, size: int, point: Mapping[Metric, float]) -> int:
        """Return the size that the policies ask for, now that `size` instances measured `point`.

        A metric that could not be measured is left out of the point, and asks for nothing.
        """
        self._points.append(point)
        wanted = self._wanted(size)
        if wanted != size:
            self._points.clear()  # what comes is of another size
        return wanted

    def _wanted(self, size: int) -> int:
        scaling, point = self._scaling, self._points[-1]
        asked = {
            metric: math.ceil(size * point[metric] / target)
            for metric, target in scaling.targets.items()
            if metric in point
        }
        over = [asked[metric] for metric in asked if self._is_over(metric)]
        if over:
            return max(size, min(max(over), scaling.most))
        if asked and len(self._points) == UNDER and all(self._is_under(each) for each in asked):
            return min(size, max(scaling.least, *asked.values(), 1))
        return size

    def _is_over(self, metric: Metric) -> bool:
        newest = list(islice(reversed(self._points), OVER))
        target = self._scaling.targets[metric]
        return len(newest) == OVER and all(point.get(metric, 0.0) > target for point in newest)

    def _is_under(self, metric: Metric) -> bool:
        target = self._scaling.targets[metric] * _SLACK
        return all(point.get(metric, target) < target for point in self._points)
