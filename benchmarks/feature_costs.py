"""What each feature costs, used and not used: ``python -m benchmarks.feature_costs [--quick] [--write]``.

Tasks of the same steps run in turns on workers of ``worker.py``: on one without the feature, on one that is configured
for it by tasks that don't use it, and by tasks that use it. Requests go in turns to an API without keys and to one with
them. Prints Markdown, only on Linux; ``--write`` puts it into ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.authentication_cost import RequestCost, measure_authentication
from benchmarks.feature_workers import FEATURES, FeatureWorker, Use, run_feature_workers
from benchmarks.processes import BenchmarkServers, run_servers
from benchmarks.readme_figures import README, write_part
from benchmarks.report import machine

__all__ = ["FeatureCost", "authentication_table", "feature_table", "main"]

logger = logging.getLogger("benchmarks")

_STEPS = 5
_AT_ONCE = 10
_ROUNDS = 9
_REQUESTS = 100
"""Of each kind, in a round, to each API."""
_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class FeatureCost:
    """The cost of one step: the mean over the tasks of one measurement."""

    worker_ms: float
    """CPU time of the worker process."""
    children_ms: float
    """CPU time of the processes below it: tool hosts, sandboxed programs, MCP servers over stdio."""
    steps_per_second: float
    """Of all tasks together."""
    history_bytes: float
    events: float


@dataclass(frozen=True, slots=True)
class _Candidate:
    worker: FeatureWorker
    use: Use


async def _measure(candidate: _Candidate, steps: int, at_once: int) -> FeatureCost:
    async with asyncio.timeout(_TIMEOUT_S):
        cpu_before, started_at = candidate.worker.cpu(), time.perf_counter()
        handles = [await candidate.worker.start(steps, candidate.use) for _ in range(at_once)]
        await asyncio.gather(*(handle.result() for handle in handles))
        elapsed_s, cpu = time.perf_counter() - started_at, candidate.worker.cpu() - cpu_before
        description = await handles[0].describe()
    all_steps = steps * at_once
    return FeatureCost(
        worker_ms=cpu.process * 1000 / all_steps,
        children_ms=cpu.children * 1000 / all_steps,
        steps_per_second=all_steps / elapsed_s,
        history_bytes=description.raw_description.workflow_execution_info.history_size_bytes / steps,
        events=description.history_length / steps,
    )


async def _measure_features(servers: BenchmarkServers, rounds: int) -> dict[tuple[str, str], list[FeatureCost]]:
    """Measure in turns, in alternating order: other load on the machine affects all alike."""
    candidates: dict[tuple[str, str], _Candidate] = {}
    async with run_feature_workers(servers, FEATURES) as workers:
        for feature, worker in zip(FEATURES, workers, strict=True):
            candidates |= {(feature.name, use.text): _Candidate(worker, use) for use in feature.uses}
        for (name, text), candidate in candidates.items():  # the first tasks of a process pay for its imports
            logger.info("warming up: %s, %s", name, text)
            if candidate.use.tool == "recall":
                remembering = replace(candidate.use, tool="remember")
                await _measure(_Candidate(candidate.worker, remembering), 1, 1)
            await _measure(candidate, _STEPS, 4)
        costs: dict[tuple[str, str], list[FeatureCost]] = {key: [] for key in candidates}
        for round_ in range(rounds):
            logger.info("round %d of %d", round_ + 1, rounds)
            for key in list(candidates) if round_ % 2 else reversed(candidates):
                costs[key].append(await _measure(candidates[key], _STEPS, _AT_ONCE))
    return costs


def feature_table(costs: Mapping[tuple[str, str], Sequence[FeatureCost]]) -> str:
    """Return the table of features; ratios are medians of those within a round.

    Each row is compared with the one of the first feature that has the same use, or else with the first row.
    """
    (none, plain), *_ = costs
    lines = [
        "| feature | used | CPU a step, ms | CPU x none | with children, ms | x none | steps/s x none "
        "| history a step, bytes | events a step |",
        "|:--|:--|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for (feature, use), measured in costs.items():
        rounds = list(zip(measured, costs.get((none, use), costs[none, plain]), strict=True))
        cells = (
            feature,
            use,
            f"{median(cost.worker_ms for cost in measured):.1f}",
            f"{median(cost.worker_ms / base.worker_ms for cost, base in rounds):.2f}",
            f"{median(map(_all_ms, measured)):.1f}",
            f"{median(_all_ms(cost) / _all_ms(base) for cost, base in rounds):.2f}",
            f"{median(cost.steps_per_second / base.steps_per_second for cost, base in rounds):.2f}",
            f"{median(cost.history_bytes for cost in measured):,.0f}",
            f"{median(cost.events for cost in measured):.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _all_ms(cost: FeatureCost) -> float:
    return cost.worker_ms + cost.children_ms


def authentication_table(costs: Mapping[str, Sequence[tuple[RequestCost, RequestCost]]]) -> str:
    """Return the table of requests, each round's first without and second with a key."""
    lines = [
        "| request | CPU, ms | with a key | x without | p50, ms | with a key | x without |",
        "|:--|--:|--:|--:|--:|--:|--:|",
    ]
    for name, rounds in costs.items():
        cells = (
            f"`{name}`",
            f"{median(without.cpu_ms for without, _ in rounds):.2f}",
            f"{median(keyed.cpu_ms for _, keyed in rounds):.2f}",
            f"{median(keyed.cpu_ms / without.cpu_ms for without, keyed in rounds):.2f}",
            f"{median(without.p50_ms for without, _ in rounds):.2f}",
            f"{median(keyed.p50_ms for _, keyed in rounds):.2f}",
            f"{median(keyed.p50_ms / without.p50_ms for without, keyed in rounds):.2f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


async def _run(rounds: int, requests: int) -> str:
    load = f"Load of the machine before the run: {os.getloadavg()[0]:.1f}."
    with TemporaryDirectory(prefix="opspawn-benchmark-") as directory:
        async with run_servers(Path(directory)) as servers:
            features = feature_table(await _measure_features(servers, rounds))
            logger.info("requests with and without a key")
            requests_table = authentication_table(await measure_authentication(servers, rounds, requests))
    head = f"{machine()} {load} Measured on {datetime.now(UTC).date()}."
    return f"{head}\n\n{features}\n{requests_table}"


async def _run_until_sigterm(rounds: int, requests: int) -> str:
    running = asyncio.ensure_future(_run(rounds, requests))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await running


def main() -> None:
    """Measure, and print the figures as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, to see that it works")
    parser.add_argument("--write", action="store_true", help="put the figures into benchmarks/README.md")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    text = asyncio.run(_run_until_sigterm(*((1, 20) if options.quick else (_ROUNDS, _REQUESTS))))
    sys.stdout.write(text)
    if options.write:
        write_part(README, "feature_costs", text)


if __name__ == "__main__":
    main()
