"""The cost of a step: Opspawn compared with a bare Temporal loop. ``python -m benchmarks.steps [--quick]``."""

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
from activities.temporal.data_converter import data_converter
from benchmarks.processes import BenchmarkServers, run_servers, run_worker
from benchmarks.report import OURS, Row, figures
from benchmarks.step_cost import BareCandidate, Candidate, OpspawnCandidate, StepCost, measure
from benchmarks.submissions import measure_submissions

__all__ = ["main"]

logger = logging.getLogger("benchmarks")


@dataclass(frozen=True, slots=True)
class StepsCase:
    """A load to measure."""

    steps: int
    at_once: int
    """Concurrent tasks."""
    rounds: int
    """How often each candidate is measured."""


@dataclass(frozen=True, slots=True)
class StepsPlan:
    """The measurements of a run."""

    cases: Sequence[StepsCase]
    submissions: int


_FULL = StepsPlan(
    (StepsCase(5, 1, 15), StepsCase(5, 20, 11), StepsCase(50, 1, 3), StepsCase(50, 4, 5), StepsCase(100, 4, 3)),
    submissions=500,
)
_QUICK = StepsPlan((StepsCase(5, 1, 1), StepsCase(5, 20, 1), StepsCase(50, 4, 1)), submissions=50)


@asynccontextmanager
async def _candidates(servers: BenchmarkServers) -> AsyncIterator[Mapping[str, Candidate]]:
    opspawn_client = await Client.connect(
        servers.temporal, data_converter=data_converter(Settings(data_dir=servers.directory))
    )
    bare_client = await Client.connect(servers.temporal, data_converter=pydantic_data_converter)
    async with (
        run_worker("opspawn", servers) as opspawn,
        run_worker("bare", servers) as bare,
        run_worker("bare-lean", servers) as lean,
    ):
        yield {
            "bare": BareCandidate(bare_client, bare, "bare"),
            "bare, lean": BareCandidate(bare_client, lean, "bare-lean"),
            OURS: OpspawnCandidate(opspawn_client, opspawn),
            f"{OURS}, fast tool": OpspawnCandidate(opspawn_client, opspawn, fast=True),
        }


async def _measure_case(case: StepsCase, candidates: Mapping[str, Candidate]) -> Mapping[str, list[StepCost]]:
    """Measure the candidates in turns, in alternating order: other load on the machine affects all alike."""
    names = list(candidates)
    costs: dict[str, list[StepCost]] = {name: [] for name in names}
    for round_ in range(case.rounds):
        for name in names if round_ % 2 else reversed(names):
            costs[name].append(await measure(candidates[name], case.steps, case.at_once))
    return costs


async def _run(plan: StepsPlan) -> str:
    with tempfile.TemporaryDirectory(prefix="opspawn-benchmark-") as directory:
        async with run_servers(Path(directory)) as servers:
            async with _candidates(servers) as candidates:
                rows = await _measure_steps(plan.cases, candidates)
            logger.info("%d submissions by each method", plan.submissions)
            return figures(rows, await measure_submissions(servers, plan.submissions))


async def _measure_steps(cases: Sequence[StepsCase], candidates: Mapping[str, Candidate]) -> list[Row]:
    for candidate in candidates.values():
        await measure(candidate, steps=5, at_once=4)  # the first tasks of a process pay for its imports
    rows: list[Row] = []
    for case in cases:
        logger.info("%d steps, %d tasks at once, %d rounds", case.steps, case.at_once, case.rounds)
        costs = await _measure_case(case, candidates)
        bare, lean = costs["bare"], costs["bare, lean"]
        rows += [Row(case.steps, case.at_once, name, costs[name], bare, lean) for name in candidates]
    return rows


async def _run_until_sigterm(plan: StepsPlan) -> str:
    running = asyncio.ensure_future(_run(plan))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await running


def main() -> None:
    """Measure, and print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small part, in a minute: to see that it works")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    sys.stdout.write(asyncio.run(_run_until_sigterm(_QUICK if options.quick else _FULL)))


if __name__ == "__main__":
    main()
