"""Measure the start of a program in the sandbox, beside bare Python: ``python -m benchmarks.sandbox_start``."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time

from agentkit.interfaces import SandboxedProgram, SandboxLimits
from agentkit.sandbox.local_sandbox import LocalSandbox
from agentkit.sandbox.scratch_space import ScratchSpace
from agentkit.sandbox.tier_choice import choose_tier

_LIMITS = SandboxLimits()


def bare_python() -> float:
    """Return the seconds that ``python -I -c pass`` takes."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
    return time.perf_counter() - started


async def in_sandbox(sandbox: LocalSandbox, program: SandboxedProgram) -> float:
    """Return the seconds of a program that does nothing, from the request for a workspace to its removal."""
    started = time.perf_counter()
    async with sandbox.workspace() as workspace:
        result = await workspace.run(program, _LIMITS)
    if result.exit_code != 0:
        raise SystemExit(f"The program failed: {result}")
    return time.perf_counter() - started


async def measure(runs: int) -> None:
    """Take turns, so that what else the machine does falls on all alike; print medians and the lowest values."""
    space = ScratchSpace()
    programs = {
        "python": SandboxedProgram(kind="python", code="pass"),
        "shell": SandboxedProgram(kind="shell", code=":"),
    }
    sandboxes: dict[str, LocalSandbox] = {}
    for tier in ("bubblewrap", "landlock"):
        choice = choose_tier("bubblewrap" if tier == "bubblewrap" else "landlock", space)
        if choice.confinement is None:
            sys.stdout.write(f"{choice.description}\n")
        else:
            sandboxes[tier] = LocalSandbox(choice.confinement, choice.description, space)
    times: dict[str, list[float]] = {"bare python -I": []}
    try:
        for _ in range(runs):
            times["bare python -I"].append(await asyncio.to_thread(bare_python))
            for tier, sandbox in sandboxes.items():
                for kind, program in programs.items():
                    times.setdefault(f"{kind} in {tier}", []).append(await in_sandbox(sandbox, program))
    finally:
        space.close()
    bare = statistics.median(times["bare python -I"])
    for name, values in times.items():
        median = statistics.median(values)
        sys.stdout.write(
            f"{name:22} median {median * 1e3:6.1f} ms, lowest {min(values) * 1e3:6.1f} ms, "
            f"over bare Python {(median - bare) * 1e3:+6.1f} ms\n"
        )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="programs of each kind (50)")
    asyncio.run(measure(parser.parse_args().runs))


if __name__ == "__main__":
    main()
