"""The policies of the templates decide how many instances there are, as target tracking does."""

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from local.metering import Meter
from local.scaling import OVER, UNDER, Metric, Scaling, Tracking, scaling_of

if TYPE_CHECKING:
    from local.instances import Fleet

CALM = {Metric.REQUESTS: 10.0, Metric.PROCESSOR: 1.0}


def tracking(least=2, most=5):
    return Tracking(Scaling(least, most, {Metric.REQUESTS: 100.0, Metric.PROCESSOR: 60.0}))


def sizes(tracking, size, points):
    """The size after each point, each decided with the size before."""
    decided = []
    for point in points:
        size = tracking.decide(size, point)
        decided.append(size)
    return decided


def group(kind="AWS::AutoScaling::AutoScalingGroup", least="MinSize", most="MaxSize"):
    return {"Type": kind, "Properties": {least: "2", most: 5}}


def policy(metric, target):
    tracked = {
        "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
        "TargetValue": target,
    }
    return {
        "Type": "AWS::AutoScaling::ScalingPolicy",
        "Properties": {"TargetTrackingConfiguration": tracked},
    }


def test_a_group_grows_in_proportion_at_the_third_point_over_a_target():
    busy = {Metric.REQUESTS: 190.0, Metric.PROCESSOR: 1.0}
    assert sizes(tracking(), 2, [busy] * OVER) == [2, 2, 4]


def test_a_point_that_is_not_over_its_target_begins_the_row_anew():
    busy = {**CALM, Metric.REQUESTS: 190.0}
    assert sizes(tracking(), 2, [busy, busy, CALM, busy, busy, busy]) == [2, 2, 2, 2, 2, 4]


def test_it_is_never_larger_than_it_may_be():
    assert sizes(tracking(), 2, [{Metric.REQUESTS: 1e6}] * OVER)[-1] == 5


def test_after_a_change_the_row_begins_anew():
    busy = {Metric.REQUESTS: 140.0}
    assert sizes(tracking(), 2, [busy] * (2 * OVER)) == [2, 2, 3, 3, 3, 5]


def test_of_two_metrics_the_one_that_asks_for_more_decides():
    busy = {Metric.REQUESTS: 110.0, Metric.PROCESSOR: 100.0}
    assert sizes(tracking(), 2, [busy] * OVER)[-1] == 4


def test_it_shrinks_at_the_fifteenth_point_well_under_every_target():
    assert sizes(tracking(), 5, [CALM] * UNDER) == [5] * (UNDER - 1) + [2]


def test_it_does_not_shrink_while_one_metric_is_near_its_target():
    near = {Metric.REQUESTS: 10.0, Metric.PROCESSOR: 55.0}
    assert set(sizes(tracking(), 5, [near] * (2 * UNDER))) == {5}


def test_it_shrinks_no_further_than_its_load_allows():
    half = {Metric.REQUESTS: 50.0, Metric.PROCESSOR: 1.0}
    assert sizes(tracking(), 5, [half] * UNDER)[-1] == 3


def test_a_metric_that_cannot_be_measured_asks_for_nothing():
    assert sizes(tracking(), 5, [{Metric.REQUESTS: 10.0}] * UNDER)[-1] == 2
    assert sizes(tracking(), 5, [{}] * (2 * UNDER))[-1] == 5


def test_the_templates_say_how_the_group_is_scaled():
    resources = {
        "Group": group(),
        "Cpu": policy("ASGAverageCPUUtilization", 60),
        "Requests": policy("ALBRequestCountPerTarget", 300),
        "Other": {"Type": "AWS::SQS::Queue"},
    }
    found = scaling_of([{"Resources": resources}, {}])
    assert found == Scaling(2, 5, {Metric.PROCESSOR: 60.0, Metric.REQUESTS: 300.0})


@pytest.mark.parametrize("many", [0, 2])
def test_templates_without_one_group_are_refused(many):
    resources = {f"Group{n}": group() for n in range(many)}
    with pytest.raises(ValueError, match=f"have {many} groups"):
        scaling_of([{"Resources": resources}])


def test_a_policy_by_an_unknown_metric_is_refused():
    resources = {"Group": group(), "In": policy("ASGAverageNetworkIn", 1)}
    with pytest.raises(ValueError, match="'ASGAverageNetworkIn'"):
        scaling_of([{"Resources": resources}])


class Logs:
    """A fleet of instances that are log files."""

    def __init__(self, folder):
        self.folder = folder
        self.instances = []

    def add(self, name):
        log = self.folder / name
        log.touch()
        process = SimpleNamespace(log=log)
        self.instances.append(SimpleNamespace(name=name, process=process, pid=0))
        return log


def write(log, requests, rest=""):
    line = json.dumps({"level": "INFO", "logger": "server.access", "message": "GET /"})
    other = json.dumps({"level": "INFO", "logger": "server.leader", "message": "leading"})
    with log.open("a") as output:
        output.write(f"{line}\n{other}\n" * requests + rest)


def test_requests_are_counted_for_each_instance_and_minute(tmp_path):
    now = [0.0]
    fleet = Logs(tmp_path)
    one, two = fleet.add("one"), fleet.add("two")
    write(one, 50)
    meter = Meter(cast("Fleet", fleet), clock=lambda: now[0])
    write(one, 3)
    write(two, 1)
    now[0] = 2.0
    assert meter.read()[Metric.REQUESTS] == (3 + 1) / 2 / 2.0 * 60.0


def test_a_line_that_is_not_whole_is_counted_once(tmp_path):
    now = [0.0]
    fleet = Logs(tmp_path)
    log = fleet.add("one")
    meter = Meter(cast("Fleet", fleet), clock=lambda: now[0])
    write(log, 1, rest='{"logger": "server.access"')
    now[0] = 60.0
    assert meter.read()[Metric.REQUESTS] == 1.0
    write(log, 0, rest="}\n")
    now[0] = 120.0
    assert meter.read()[Metric.REQUESTS] == 1.0


def test_an_instance_that_came_in_between_is_measured_from_the_next_reading_on(tmp_path):
    now = [0.0]
    fleet = Logs(tmp_path)
    meter = Meter(cast("Fleet", fleet), clock=lambda: now[0])
    log = fleet.add("late")
    write(log, 5)
    now[0] = 60.0
    assert Metric.REQUESTS not in meter.read()
    write(log, 2)
    now[0] = 120.0
    assert meter.read()[Metric.REQUESTS] == 2.0
