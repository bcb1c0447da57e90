from __future__ import annotations

from benchmarks.authentication_cost import RequestCost
from benchmarks.feature_costs import FeatureCost, authentication_table, feature_table


def cost(worker_ms: float, children_ms: float = 0.0, speed: float = 50.0) -> FeatureCost:
    return FeatureCost(worker_ms, children_ms, speed, history_bytes=3000.0, events=14.8)


def test_ratios_are_of_the_same_round_and_count_children() -> None:
    none = [cost(10.0), cost(100.0), cost(20.0)]
    used = [cost(15.0, 5.0, 25.0), cost(150.0, 50.0, 25.0), cost(30.0, 10.0, 25.0)]
    lines = feature_table({("none", "not used"): none, ("sandbox", "in each step"): used}).splitlines()
    assert lines[2] == "| none | not used | 20.0 | 1.00 | 20.0 | 1.00 | 1.00 | 3,000 | 14.8 |"
    assert lines[3] == "| sandbox | in each step | 30.0 | 1.50 | 40.0 | 2.00 | 0.50 | 3,000 | 14.8 |"


def test_a_request_with_a_key_is_compared_with_the_one_of_its_round() -> None:
    rounds = [(RequestCost(2.0, 4.0), RequestCost(3.0, 6.0)), (RequestCost(20.0, 40.0), RequestCost(30.0, 60.0))]
    line = authentication_table({"POST /tasks": rounds}).splitlines()[2]
    assert line == "| `POST /tasks` | 11.00 | 16.50 | 1.50 | 22.00 | 33.00 | 1.50 |"
