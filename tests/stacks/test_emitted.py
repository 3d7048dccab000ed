"""What alarms, widgets and the runbook look for is emitted, by this environment and no other."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from interlock import Signer, TransactionClient
from interlock.errors import SigningError
from interlock.metrics import NAMESPACE, LockMetrics, Metric
from interlock.testing import MemoryStore
from server.leader import LEADER
from stacks.instances import ELECTION
from tests.stacks.conftest import ROOT, Synthesized
from tests.stacks.policies import rendered

# As AWS documents them: by namespace, what it reports by which dimensions.
_OF_AWS: Mapping[str, Mapping[frozenset[str], frozenset[str]]] = {
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
    "AWS/DynamoDB": {
        frozenset({"TableName"}): frozenset(
            {
                *("ReadThrottleEvents", "WriteThrottleEvents"),
                *("TransactionConflict", "ConditionalCheckFailedRequests"),
            }
        )
    },
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
    "AWS/ApiGateway": {frozenset({"ApiName"}): frozenset({"5XXError", "Latency"})},
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-view.html
    "AWS/Lambda": {
        frozenset({"FunctionName"}): frozenset({"Errors", "Throttles", "Duration"}),
        frozenset({"FunctionName", "Resource"}): frozenset({"Errors", "Throttles", "Duration"}),
    },
    # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
    "AWS/ApplicationELB": {
        frozenset({"LoadBalancer"}): frozenset({"HTTPCode_ELB_5XX_Count"}),
        frozenset({"LoadBalancer", "TargetGroup"}): frozenset(
            {"UnHealthyHostCount", "HTTPCode_Target_5XX_Count", "TargetResponseTime"}
        ),
    },
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    "AWS/SQS": {frozenset({"QueueName"}): frozenset({"ApproximateNumberOfMessagesVisible"})},
}
# By dimension: what its value has to be, so that it is what AWS or the runtime puts there.
_VALUES: Mapping[str, str] = {
    "ApiName": r"interlock-{environment}",
    "FunctionName": r"<(PublishOutputRef)?Counters\w*>",
    "KeyId": r"<PublishOutputFnGetAttReceiptsKey\w+Arn\w+>",
    "LoadBalancer": r"<PublishOutputFnGetAtt\w+LoadBalancerFullName\w+>",
    "QueueName": r"<Undelivered\.QueueName>",
    "Resource": r"<Counters>:live",
    "Table": r"<PublishOutputRefCoordinationTable\w+>",
    "TableName": r"<PublishOutputRefCoordinationTable\w+>",
    "TargetGroup": r"<PublishOutputFnGetAtt\w+TargetGroupFullName\w+>",
}
KEY = "arn:aws:kms:eu-central-1:271828182845:key/1"
RUNBOOK = (
    (ROOT / "docs" / "operations.md")
    .read_text(encoding="utf-8")
    .split("## Runbook\n")[1]
    .split("\n## ")[0]
)


@dataclass(frozen=True)
class Sought:
    """A metric that an alarm or a widget looks at; dimensions are rendered."""

    where: str
    namespace: str
    name: str
    dimensions: Mapping[str, str]


def sought(made: Synthesized) -> Iterator[Sought]:
    """Yield the metric of each alarm, and those of each widget."""
    for stack, template in made.templates.items():
        for logical_id, resource in template["Resources"].items():
            properties = resource.get("Properties", {})
            if resource["Type"] == "AWS::CloudWatch::Alarm":
                assert "Metrics" not in properties  # the emulator has no alarms on expressions
                yield Sought(
                    f"{stack}.{logical_id}",
                    properties["Namespace"],
                    properties["MetricName"],
                    {each["Name"]: rendered(each["Value"]) for each in properties["Dimensions"]},
                )
            elif resource["Type"] == "AWS::CloudWatch::Dashboard":
                body = json.loads(rendered(properties["DashboardBody"]))
                for widget in body["widgets"]:
                    assert "query" not in widget["properties"]  # no logs are looked at there
                    for metric in widget["properties"].get("metrics", ()):
                        yield _of_widget(f"{stack}.{logical_id}", metric)


def _of_widget(where: str, metric: list[Any]) -> Sought:
    namespace, name, *rest = (each for each in metric if isinstance(each, str))
    return Sought(where, namespace, name, dict(zip(rest[::2], rest[1::2], strict=True)))


class Contended:
    """An acquisition that had to wait."""

    contended, waited = True, 1.5


class Refusing:
    """A client of KMS whose key is disabled."""

    def sign(self, **_: object) -> None:
        """Refuse."""
        raise ClientError({"Error": {"Code": "DisabledException", "Message": "no"}}, "Sign")

    get_public_key = sign


class Recorder:
    """Remembers which metric came with which dimensions."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, frozenset[str]]] = set()
        self.values: set[tuple[str, str]] = set()

    def record(self, values: Mapping[Metric, float], dimensions: Mapping[str, str]) -> None:
        """Take note of both."""
        self.seen |= {(metric.value, frozenset(dimensions)) for metric in values}
        self.values |= set(dimensions.items())


@pytest.fixture(scope="module")
def emitted() -> set[tuple[str, frozenset[str]]]:
    """What the runtime reports when all that it reports of has happened once."""
    recorder = Recorder()
    store = MemoryStore("coordination")
    locks = LockMetrics("coordination", recorder)
    locks.acquired(Contended(), 1)
    locks.ended(1.5, lost=True, broken=True)
    transactions = TransactionClient("coordination", client=store.client(), metrics=recorder)
    transactions.run(lambda tx: tx.put("coordination", {"pk": "a"}, {"n": 1}))
    with pytest.raises(SigningError):
        Signer(KEY, client=Refusing(), metrics=recorder).sign({})
    # What the service tells of its leader (tests/unit/server/test_leader.py).
    recorder.record({Metric.LEADING: 1}, {"Table": "coordination"})
    assert recorder.values == {("Table", "coordination"), ("KeyId", KEY)}
    return recorder.seen


Emitted = set[tuple[str, frozenset[str]]]


def is_emitted(each: Sought, emitted: Emitted) -> bool:
    dimensions = frozenset(each.dimensions)
    if each.namespace == NAMESPACE:
        return (each.name, dimensions) in emitted
    return each.name in _OF_AWS.get(each.namespace, {}).get(dimensions, ())


def is_own(each: Sought, environment: str) -> bool:
    """Whether it is of this environment's table, function, API and keys, named as they report."""
    return all(
        re.fullmatch(_VALUES[name].replace("{environment}", environment), value)
        for name, value in each.dimensions.items()
    )


def test_every_metric_that_is_looked_for_is_emitted_by_this_environment(synthesized, emitted):
    found = list(sought(synthesized))
    assert len({each.where for each in found}) > 15
    assert [each for each in found if not is_emitted(each, emitted)] == []
    assert [each for each in found if not is_own(each, synthesized.name)] == []


def test_no_metric_that_is_looked_for_wrongly_is_overlooked(synthesized, emitted):
    for each in sought(synthesized):
        assert not is_emitted(replace(each, name=f"{each.name}s"), emitted)
        assert not is_emitted(replace(each, namespace="AWS/Nothing"), emitted)
        for name, value in each.dimensions.items():
            others = {key: kept for key, kept in each.dimensions.items() if key != name}
            assert not is_emitted(replace(each, dimensions={**others, "Name": value}), emitted)
            for wrong in (
                "interlock-other",
                "<Other>",
                f"{value}:1",
                value.replace("FullName", "Arn"),
            ):
                other = replace(each, dimensions={**others, name: wrong})
                assert wrong == value or not is_own(other, synthesized.name), other


def test_what_the_runbook_looks_up_on_the_dashboard_is_there(synthesized):
    named = re.findall(r"`?(\w+)`? on the dashboard", RUNBOOK)
    assert "Duration" in named
    assert set(named) <= {each.name for each in sought(synthesized) if "Dashboard" in each.where}


def test_fields_that_the_runbook_names_are_logged(synthesized):
    (stage,) = synthesized.of_type("AWS::ApiGateway::Stage").values()
    logged = json.loads(rendered(stage["AccessLogSetting"]["Format"])).keys()
    named = re.findall(r"`(\w+)`[^`]{0,40} in the access log", RUNBOOK)
    named += re.findall(r"access log by `(\w+)` and `(\w+)`", RUNBOOK)[0]
    assert {"integration", "latency", "caller", "ip"} <= set(named)
    assert set(named) <= set(logged)
    # "The access log by route and status", and the id by which a request is found.
    assert {"resourcePath", "status", "requestId"} <= set(logged)


def test_places_that_the_runbook_names_are_there(real):
    service = real.templates["Service"]["Resources"]
    assert "log group `Journal` of the service stack" in RUNBOOK
    assert any(name.startswith("Journal") for name in service)
    assert "bucket `AccessLogs` of the\nrecords stack" in RUNBOOK
    records = real.templates["Records"]["Resources"]
    assert any(name.startswith("AccessLogs") for name in records)
    assert f"interlock elections show {LEADER}" in RUNBOOK
    assert LEADER == ELECTION
