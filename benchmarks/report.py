"""Figures as Markdown: medians, and ratios of what was measured side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measuring import Cost

__all__ = ["Row", "steps_table", "write_into"]

_BEGIN, _END = "<!-- figures begin -->\n", "<!-- figures end -->\n"
_HEAD = "| steps | tasks at once | | CPU a step, ms | x bare | steps/s | x bare | history a step, KiB | events a step |\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One subject under one load, in rounds; the bare loop's in the same rounds."""

    steps: int
    at_once: int
    subject: str
    costs: Sequence[Cost]
    bare: Sequence[Cost]


def steps_table(rows: Sequence[Row]) -> str:
    """Return a table of what a step costs."""
    return _HEAD + "|--:" * 2 + "|---" + "|--:" * 6 + "|\n" + "".join(map(_line, rows))


def write_into(readme: Path, figures: str) -> None:
    """Replace what stands between the two marks."""
    text = readme.read_text()
    before, rest = text.split(_BEGIN)
    _, after = rest.split(_END)
    readme.write_text(f"{before}{_BEGIN}\n{figures}\n{_END}{after}")


def _line(row: Row) -> str:
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
    """Return the median of each round's own ratio: a slow round was slow for both."""
    return median(of(ours) / of(bare) for ours, bare in zip(row.costs, row.bare, strict=True))
