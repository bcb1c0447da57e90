"""Every aim of Opspawn's performance, measured in one run: ``python -m benchmarks.aims [--write]``.

Runs the programs of this directory one after the other, and prints a table of aims and figures as Markdown; what each
program printed goes to stderr. ``--write`` puts all of it into ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.readme_figures import README, read_cell, write_part
from benchmarks.report import machine

__all__ = ["AIMS", "PROGRAMS", "Aim", "Program", "main", "markdown"]


@dataclass(frozen=True, slots=True)
class Program:
    """A benchmark that is run as ``python -m benchmarks.NAME``."""

    name: str
    arguments: Sequence[str] = ()
    quick_arguments: Sequence[str] = ()
    """For a run that only shows that it works."""


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure in a table that a program prints, and its bound."""

    text: str
    program: str
    row: str
    """How the line of the table begins."""
    column: str
    """The name of the column."""
    bound: float
    at_least: bool = False
    """Whether the figure must not be below the bound, instead of not above it."""

    def is_met(self, figure: float) -> bool:
        """Return whether a figure is within the bound."""
        return figure >= self.bound if self.at_least else figure <= self.bound


PROGRAMS = (
    Program("start", ("--runs", "10"), ("--runs", "1")),
    Program("steps", (), ("--quick",)),
    Program("step_history"),
    Program("feature_costs", (), ("--quick",)),
    Program("watching", (), ("--quick",)),
    Program("long_life", (), ("--steps", "1000")),
    Program("waiting", ("--tasks", "10000"), ("--tasks", "300")),
)

_OURS = "| Opspawn |"
AIMS = (
    Aim("CPU time of a step, x bare: 5 steps, 1 task at once", "steps", f"| 5 | 1 {_OURS}", "CPU x bare", 1.0),
    Aim("the same, 20 tasks at once", "steps", f"| 5 | 20 {_OURS}", "CPU x bare", 1.0),
    Aim('CPU time of a step, x "bare, lean": 50 steps', "steps", f"| 50 | 4 {_OURS}", "CPU x lean", 1.0),
    Aim("steps/s, x bare: 5 steps, 1 task at once", "steps", f"| 5 | 1 {_OURS}", "steps/s x bare", 1.0, at_least=True),
    Aim("the same, 20 tasks at once", "steps", f"| 5 | 20 {_OURS}", "steps/s x bare", 1.0, at_least=True),
    Aim("steps/s, x bare: 50 steps", "steps", f"| 50 | 4 {_OURS}", "steps/s x bare", 1.6, at_least=True),
    Aim(
        "history of a step beyond its texts, KiB: tool as an activity",
        "step_history", "| beyond its texts, KiB |", "tool as an activity", 1.4,
    ),
    Aim("the same, as a local activity", "step_history", "| beyond its texts, KiB |", "as a local activity", 1.0),
    Aim("history once a task, KiB", "step_history", "| once a task, KiB |", "tool as an activity", 2.5),
    Aim("a step at 9,000 steps, x one at 100", "long_life", "| 10000 |", "ratio", 1.2),
    Aim("`POST /tasks`, p50, x a raw start", "steps", "| `POST /tasks` |", "p50 x raw", 1.3),
    Aim("added latency of a delta, 50 tasks, p50, ms", "watching", "| 50 x 1 |", "delta p50, ms", 4),
    Aim("the same, p99, ms", "watching", "| 50 x 1 |", "p99, ms", 40),
    Aim("the same, 500 watchers of one task, p50, ms", "watching", "| 1 x 500 |", "delta p50, ms", 10),
    Aim("durable events behind history when 50 tasks end, p50, ms", "watching", "| 50 x 1 |", "durable p50, ms", 15),
    Aim("worker with 10,000 waiting tasks, MiB", "waiting", "| worker, MiB", "measured", 1024),
    Aim("wake of a waiting task, p50, ms", "waiting", "| answer to verdict, task in the worker", "measured", 50),
    Aim("the same, evicted, p50, ms", "waiting", "| answer to verdict, task evicted", "measured", 50),
    *(
        Aim(f"CPU time of a step on a worker with {feature} that the task doesn't use, x without",
            "feature_costs", f"| {feature} | not used", "CPU x none", 1.03)
        for feature in ("tool host", "sandbox", "MCP", "long-term memory")
    ),
    Aim("start of a worker until it polls, s", "start", "| worker |", "wall, s", 1.0),
    Aim("start of the API until it responds, s", "start", "| API |", "wall, s", 0.8),
)  # fmt: skip


def markdown(outputs: Mapping[str, str], aims: Sequence[Aim] = AIMS) -> str:
    """Return the table of aims and figures; ``outputs`` are what the programs printed, by their names."""
    lines = ["| | aim | measured | |", "|:--|--:|--:|:--|"]
    for aim in aims:
        bound = f"{'>=' if aim.at_least else '<='} {aim.bound:,}"
        lines.append(f"| {aim.text} | {bound} | {' | '.join(_result(aim, outputs.get(aim.program, '')))} |")
    return "\n".join(lines) + "\n"


def _result(aim: Aim, output: str) -> tuple[str, str]:
    try:
        figure = read_cell(output, aim.row, aim.column)
    except ValueError:  # a quick run has fewer rows
        return "", "not measured"
    return f"{figure:,.4g}", "met" if aim.is_met(figure) else "**missed**"


async def _run(program: Program, *, quick: bool) -> str | None:
    """Run a program, and return what it printed; None if it failed."""
    arguments = program.quick_arguments if quick else program.arguments
    command = ("-m", f"benchmarks.{program.name}", *arguments)
    sys.stderr.write(f"python {' '.join(command)}\n")
    started_at = time.monotonic()
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=PIPE)
    output, _ = await process.communicate()
    ending = f"ended with {process.returncode} after {time.monotonic() - started_at:.0f} s"
    sys.stderr.write(f"{output.decode()}\nbenchmarks.{program.name} {ending}\n\n")
    return None if process.returncode else output.decode()


async def _run_all(*, quick: bool, write: bool) -> str:
    """Run all programs, and return the table of aims; a program that fails leaves its aims unmeasured."""
    load = f"Load of the machine before the run: {os.getloadavg()[0]:.1f}."
    outputs: dict[str, str] = {}
    for program in PROGRAMS:
        if (output := await _run(program, quick=quick)) is not None:
            outputs[program.name] = output
            if write:
                write_part(README, program.name, output)
    text = f"{machine()} {load} Measured on {datetime.now(UTC).date()}.\n\n{markdown(outputs)}"
    if write:
        write_part(README, "aims", text)
    return text


def main() -> None:
    """Measure, and print the table of aims as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small part, to see that it works")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/README.md")
    options = parser.parse_args()
    sys.stdout.write(asyncio.run(_run_all(quick=options.quick, write=options.write)))


if __name__ == "__main__":
    main()
