from __future__ import annotations

from benchmarks.report import OURS, Row, figures
from benchmarks.step_cost import StepCost
from benchmarks.submissions import Latency

LATENCIES = {"raw": Latency(p50=4.0, p95=10.0), "api": Latency(p50=5.0, p95=20.0)}


def cost(cpu_ms: float = 10.0, speed: float = 40.0, history: float = 3072.0) -> StepCost:
    return StepCost(cpu_ms=cpu_ms, steps_per_second=speed, history_bytes=history, events=12.0)


def row(steps: int, ours: list[StepCost], bare: list[StepCost]) -> Row:
    return Row(steps=steps, at_once=8, candidate=OURS, costs=ours, bare=bare, lean=bare)


def test_ratios_are_computed_for_each_round_so_that_a_slow_round_changes_nothing() -> None:
    bare = [cost(cpu_ms=10.0), cost(cpu_ms=100.0), cost(cpu_ms=20.0)]
    ours = [cost(cpu_ms=5.0), cost(cpu_ms=50.0), cost(cpu_ms=30.0)]
    assert "| 5 | 8 | Opspawn | 30.0 | 0.50 | 0.50 | 40.0 | 1.00 | 3.00 | 12.0 |" in figures(
        [row(5, ours, bare), row(50, ours, bare)], LATENCIES
    )


def test_growth_leaves_out_the_parts_that_every_task_has_once() -> None:
    once = 5120
    few, many = (cost(history=(once + steps * 2048) / steps) for steps in (5, 50))
    assert "each step adds 2.00 KiB" in figures([row(5, [few], [few]), row(50, [many], [many])], LATENCIES)


def test_submissions_are_compared_with_raw_ones() -> None:
    rows = [row(5, [cost()], [cost()]), row(50, [cost()], [cost()])]
    assert "| api | 5.0 | 1.25 | 20.0 | 2.00 |" in figures(rows, LATENCIES)
