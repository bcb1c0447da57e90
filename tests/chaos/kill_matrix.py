"""Run tasks while their processes are killed, and check that every task ends as if nothing had happened.

``make test-chaos`` runs this with 1,000 kills; a shorter run is a test. The seed is printed: it decides what is killed
and when, so that a failed run can be tried again (``--seed``), though never in exactly the same moments.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from agentkit.client import ApiUnreachable, OpspawnClient
from tests.integration.cli.dev_process import DevProcess
from tests.process_states import still_running

__all__ = ["KillMatrix"]

_T = TypeVar("_T")
Victim = Literal["worker", "api", "temporal", "supervisor"]
_COMMANDS = {"worker": "--module worker", "api": "--module api", "temporal": "start-dev"}
"""Part of the command line of each child of ``opspawn dev``."""
_VICTIMS: Sequence[Victim] = ("worker", "worker", "worker", "api", "api", "temporal", "supervisor")
_CONCURRENT_TASKS = 10
_TASK_TIMEOUT_S = 300.0
_OUTAGE_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 30.0
_KILLS_PER_REPORT = 100

_LEDGER_TOOL = '''
"""Tools with effects that can be counted: each adds a line to a file."""

import os

from agentkit.tools import Done, NotDone, ToolContext, tool


def _write(kind: str, entry: str, context: ToolContext) -> None:
    line = f"{kind} {context.idempotency_key} {entry}\\n"
    file = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)


def find_payment(key: str, arguments: dict) -> Done | NotDone:
    lines = open(LEDGER).read().splitlines() if os.path.exists(LEDGER) else []
    paid = any(line.startswith(f"pay {key} ") for line in lines)
    return Done(f"paid {arguments['entry']}") if paid else NotDone("there is no such payment")


@tool(effect="irreversible", probe=find_payment, timeout="2s")
async def pay(entry: str, context: ToolContext) -> str:
    """Pay once.

    Args:
        entry: What is paid.
    """
    _write("pay", entry, context)
    return f"paid {entry}"


@tool(effect="idempotent")
async def note(entry: str, context: ToolContext) -> str:
    """Note something; again is the same.

    Args:
        entry: What is noted.
    """
    _write("note", entry, context)
    return f"noted {entry}"
'''
_AGENT = """
name: payer
model: demo:demo
tools: [pay, note, calculator]
policy: [{tool: pay, then: allow}]
"""
_INPUT = """think 300
call pay {"entry": "a"} & note {"entry": "b"} & pay {"entry": "c"}
think 200
call calculator {"expression": "6*7"}
call note {"entry": "d"}
think 200
call pay {"entry": "e"} & calculator {"expression": "1+1"}
say done"""
_CALLS_PER_TASK = 7
_STEPS = 5


@dataclass
class KillMatrix:
    """One run: an ``opspawn dev`` with two workers, tasks, a watcher of each, and kills."""

    directory: Path
    tasks: int
    """The least number of tasks; more are started while kills are left."""
    kills: int
    seed: int
    longest_pause_s: float = 3.0
    """Between two kills."""
    killed: Counter[Victim] = field(default_factory=Counter)
    finished: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _stopped: bool = False

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._dev = DevProcess(self.directory / "work")
        self._ledger = self.directory / "ledger"

    async def run(self) -> None:
        """Run until all tasks have ended and all kills are done; ``problems`` then names what went wrong."""
        self._write_app()
        await asyncio.to_thread(self._dev.start, "--workers", "2")
        try:
            async with (
                OpspawnClient(self._dev.url, reconnect_timeout=_OUTAGE_TIMEOUT_S) as client,
                asyncio.TaskGroup() as group,
            ):
                group.create_task(self._kill())
                for _ in range(_CONCURRENT_TASKS):
                    group.create_task(self._run_tasks(client))
        except BaseException:
            sys.stderr.write(self._dev.output)
            raise
        finally:
            await asyncio.to_thread(self._dev.close)
        self._check_ledger()

    def _write_app(self) -> None:
        work = self.directory / "work"
        (work / "agents").mkdir(parents=True)
        (work / "tools").mkdir()
        (work / "agents" / "payer.yaml").write_text(_AGENT)
        (work / "tools" / "ledger.py").write_text(_LEDGER_TOOL.replace("LEDGER", repr(str(self._ledger))))
        self._ledger.touch()

    async def _kill(self) -> None:
        while self.killed.total() < self.kills:
            await asyncio.sleep(self._random.uniform(0.2, self.longest_pause_s))
            victim = self._random.choice(_VICTIMS)
            if victim == "supervisor":
                await self._replace_supervisor()
            elif not await asyncio.to_thread(self._kill_child, victim):
                continue  # it has not been started again yet
            self.killed[victim] += 1
            if self.killed.total() % _KILLS_PER_REPORT == 0:
                done, wrong = len(self.finished), len(self.problems)
                sys.stdout.write(f"{self.killed.total()} kills, {done} tasks ended, {wrong} problems\n")
                sys.stdout.flush()
        self._stopped = True

    def _kill_child(self, victim: Victim) -> bool:
        pids = [pid for pid, command in sorted(self._dev.children().items()) if _COMMANDS[victim] in command]
        if not pids:
            return False
        subprocess.run(["kill", "-9", str(self._random.choice(pids))], check=False)
        return True

    async def _replace_supervisor(self) -> None:
        children = list(self._dev.children())
        await asyncio.to_thread(self._dev.end, signal.SIGKILL)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while left := await asyncio.to_thread(still_running, children):
            if time.monotonic() > deadline:
                self.problems.append(f"processes outlived opspawn dev: {left}")
                return
        await asyncio.to_thread(self._dev.start, "--workers", "2")

    async def _run_tasks(self, client: OpspawnClient) -> None:
        while len(self.finished) + _CONCURRENT_TASKS <= self.tasks or not self._stopped:
            try:
                async with asyncio.timeout(_TASK_TIMEOUT_S):
                    task_id = await self._submit(client)
                    self.problems += await self._follow(client, task_id)
                self.finished.append(task_id)
            except TimeoutError:
                self.problems.append(f"a task did not end within {_TASK_TIMEOUT_S:g} s")
                return

    async def _submit(self, client: OpspawnClient) -> str:
        key = str(uuid.uuid4())
        return (await _until_reached(lambda: client.create("payer", _INPUT, idempotency_key=key))).id

    async def _follow(self, client: OpspawnClient, task_id: str) -> list[str]:
        """Watch a task until its end; return what is wrong with it."""
        seen = await _durable_events(client, task_id)
        task = await client.wait(task_id)
        wrong = [] if seen == await _durable_events(client, task_id) else ["its watcher saw other events"]
        if (task.status, task.output, task.steps) != ("completed", "done", _STEPS):
            wrong.append(f"{task.status}, {task.output!r}, {task.steps} steps, {task.error}")
        messages = (await _until_reached(lambda: client.transcript(task_id))).messages
        results = [part for message in messages for part in message.parts if part.type == "tool_result"]
        if len({result.call_id for result in results}) != len(results) or len(results) != _CALLS_PER_TASK:
            wrong.append(f"{len(results)} tool results")
        lines = self._ledger.read_text().splitlines()  # small, and local
        for result in results:
            count = sum(line.split()[1] == f"{task_id}/{result.call_id}" for line in lines)
            if result.name == "pay" and not result.is_error and count != 1:
                wrong.append(f"call {result.call_id} succeeded, and took effect {count} times")
            if result.name == "pay" and result.is_error and count:
                wrong.append(f"call {result.call_id} took effect, and its result says: {result.content}")
            if result.name == "note" and (result.is_error or not count):
                wrong.append(f"call {result.call_id} can be repeated, and took effect {count} times: {result.content}")
        return [f"{task_id}: {problem}" for problem in wrong]

    def _check_ledger(self) -> None:
        effects = Counter(line.split()[1] for line in self._ledger.read_text().splitlines() if line.startswith("pay "))
        self.problems += [
            f"irreversible call {key} took effect {count} times" for key, count in effects.items() if count > 1
        ]


async def _until_reached(call: Callable[[], Awaitable[_T]]) -> _T:
    """Call until there is an API, with Temporal and a worker, to respond; the task's timeout bounds it."""
    while True:
        with suppress(ApiUnreachable):
            return await call()
        await asyncio.sleep(0.2)


async def _durable_events(client: OpspawnClient, task_id: str) -> list[tuple[str, str | None]]:
    async with aclosing(client.events(task_id)) as events:
        return [(event.type, event.position) async for event in events if event.position is not None]


def _main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make test-chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args(arguments)
    sys.stdout.write(f"seed {options.seed}\n")
    with tempfile.TemporaryDirectory(prefix="opspawn-chaos-") as directory:
        matrix = KillMatrix(Path(directory), options.tasks, options.kills, options.seed)
        started = time.monotonic()
        asyncio.run(matrix.run())
    report: dict[str, Any] = {
        "seconds": round(time.monotonic() - started),
        "kills": dict(matrix.killed),
        "tasks": len(matrix.finished),
        "problems": matrix.problems,
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 1 if matrix.problems else 0


if __name__ == "__main__":
    sys.exit(_main())
