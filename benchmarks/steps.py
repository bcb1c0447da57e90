"""Opspawn beside a bare Temporal loop, on one server in one go: ``python -m benchmarks.steps [--write]``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.settings import Settings
from activities.temporal.client import data_converter
from benchmarks.measuring import BareSubject, Cost, OpspawnSubject, Subject, measure
from benchmarks.report import OURS, Row, figures, write_into
from benchmarks.submissions import measure_submissions
from benchmarks.surroundings import Surroundings, surroundings, worker_process

__all__ = ["main"]

logger = logging.getLogger("benchmarks")


@dataclass(frozen=True, slots=True)
class Case:
    """One load."""

    steps: int
    at_once: int
    """Tasks."""
    rounds: int
    """How often every subject is measured, in turn."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure."""

    cases: Sequence[Case]
    submissions: int


_WHOLE = Plan((Case(5, 1, 15), Case(5, 20, 11), Case(50, 1, 3), Case(50, 8, 5), Case(100, 4, 5)), submissions=500)
_QUICK = Plan((Case(5, 1, 1), Case(5, 20, 1), Case(50, 4, 1)), submissions=50)


@asynccontextmanager
async def _subjects(where: Surroundings) -> AsyncIterator[Mapping[str, Subject]]:
    ours = await Client.connect(where.temporal, data_converter=data_converter(Settings(data_dir=where.directory)))
    bares = await Client.connect(where.temporal, data_converter=pydantic_data_converter)
    async with (
        worker_process("opspawn", where) as opspawn,
        worker_process("bare", where) as bare,
        worker_process("bare-lean", where) as lean,
    ):
        yield {
            "bare": BareSubject(bares, bare, "bare"),
            "bare, lean": BareSubject(bares, lean, "bare-lean"),
            OURS: OpspawnSubject(ours, opspawn),
            f"{OURS}, fast tool": OpspawnSubject(ours, opspawn, fast=True),
        }


async def _measure_case(case: Case, subjects: Mapping[str, Subject]) -> Mapping[str, list[Cost]]:
    """Measure in turns, first in the one order, then in the other: what disturbs the machine meets all alike."""
    names = list(subjects)
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for round_ in range(case.rounds):
        for name in names if round_ % 2 else reversed(names):
            costs[name].append(await measure(subjects[name], case.steps, case.at_once))
    return costs


async def _run(plan: Plan) -> str:
    with tempfile.TemporaryDirectory(prefix="opspawn-benchmark-") as directory:
        async with surroundings(Path(directory)) as where:
            async with _subjects(where) as subjects:
                rows = await _measure_steps(plan.cases, subjects)
            logger.info("%d submissions in each way", plan.submissions)
            return figures(rows, await measure_submissions(where, plan.submissions))


async def _measure_steps(cases: Sequence[Case], subjects: Mapping[str, Subject]) -> list[Row]:
    for subject in subjects.values():
        await measure(subject, steps=5, at_once=4)  # the first tasks of a process pay for its imports
    rows: list[Row] = []
    for case in cases:
        logger.info("%d steps, %d tasks at once, %d rounds", case.steps, case.at_once, case.rounds)
        costs = await _measure_case(case, subjects)
        rows += [Row(case.steps, case.at_once, name, costs[name], costs["bare"]) for name in subjects]
    return rows


async def _until_told(plan: Plan) -> str:
    running = asyncio.ensure_future(_run(plan))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await running


def main() -> None:
    """Measure, and print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small part, in a minute: to see that it works")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/README.md")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    text = asyncio.run(_until_told(_QUICK if given.quick else _WHOLE))
    sys.stdout.write(text)
    if given.write:
        write_into(Path(__file__).with_name("README.md"), text)


if __name__ == "__main__":
    main()
