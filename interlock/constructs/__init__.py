"""CDK constructs for what Interlock needs in an account; wants `interlock[cdk]`, not boto3."""

import importlib
from typing import TYPE_CHECKING, Any

try:
    import aws_cdk  # noqa: F401 - to say which extra brings it, where it is missing
except ImportError as error:
    raise ImportError(
        "interlock.constructs needs aws-cdk-lib: pip install 'interlock[cdk]'"
    ) from error

from interlock.constructs.coordination_table import CoordinationTable
from interlock.constructs.icoordination_table import ICoordinationTable
from interlock.constructs.leader_election import LeaderElectedService
from interlock.constructs.metric_options import MetricOptions
from interlock.constructs.runtime_layer import RuntimeLayer
from interlock.constructs.signing import CodeSigning, MacKey, SigningKey

if TYPE_CHECKING:
    from interlock.constructs.monitoring import CoordinationMonitoring, Thresholds, Watched

__all__ = [
    "CodeSigning",
    "CoordinationMonitoring",
    "CoordinationTable",
    "ICoordinationTable",
    "LeaderElectedService",
    "MacKey",
    "MetricOptions",
    "RuntimeLayer",
    "SigningKey",
    "Thresholds",
    "Watched",
]


def __getattr__(name: str) -> Any:
    # cdk-monitoring-constructs takes as long to load as all of aws-cdk-lib.
    if name not in {"CoordinationMonitoring", "Thresholds", "Watched"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("interlock.constructs.monitoring"), name)
