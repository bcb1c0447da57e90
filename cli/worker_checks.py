"""Check the workers of a task queue: which poll, which are gone, and what the one that Temporal chooses has loaded."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio.client import ActivityFailureError, Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.temporal.task_queue_pollers import MAX_POLL_AGE, Poller, listed_pollers
from activities.temporal.temporal_clock import temporal_now
from activities.worker_description import WorkerDescription
from agentkit.client import AgentList, ToolList
from cli.finding import Finding

__all__ = ["ExpectedWorkers", "poller_findings", "secret_findings", "worker_findings"]

_RESPONSE_TIMEOUT = timedelta(seconds=5)
_CALL_TIMEOUT_S = 12.0
"""For the call with all of its own timeouts."""


@dataclass(frozen=True, slots=True)
class ExpectedWorkers:
    """The workers that a running system should have."""

    task_queue: str
    app: str
    """The app that they serve, as ``app_id`` returns it."""
    start_command: str
    """Starts one."""
    data_dir: str | None = None
    """Where the API stores large payloads; None: not on this machine."""
    file_tools: Sequence[str] = ()
    """The names of the tools in the app's files as they are now."""
    api_tools: ToolList | None = None
    """The tools that the API offers; None: it doesn't respond."""
    agents: AgentList | None = None
    has_secrets: bool = False
    """Whether the settings name secrets of tools."""


async def worker_findings(client: Client, expected: ExpectedWorkers) -> list[Finding]:
    """Report the workers that poll, those that are gone, and what one that responds has loaded."""
    queue = expected.task_queue
    try:
        listed = await listed_pollers(client, queue)
        now = await temporal_now(client)
    except RPCError as error:
        return [Finding("Workers", "missing", f"Temporal refuses to list the workers of {queue!r}: {error.message}")]
    findings = poller_findings(listed, now, expected)
    polling = _still_polling(listed, now)
    return [*findings, *(await _loaded(client, expected, len(polling)) if polling else [])]


def poller_findings(listed: Sequence[Poller], now: datetime, expected: ExpectedWorkers) -> list[Finding]:
    """Report the workers that poll, and those that are gone; ``now`` is the time by Temporal's clock."""
    polling = _still_polling(listed, now)
    gone = [_gone(poller, now) for poller in listed if poller not in polling]
    if polling:
        return [_polling(polling, expected), *gone]
    problem = f"none polls task queue {expected.task_queue!r}"
    return [Finding("Workers", "missing", problem, (expected.start_command,)), *gone]


def _still_polling(listed: Sequence[Poller], now: datetime) -> list[Poller]:
    return [poller for poller in listed if now - poller.last_poll_at <= MAX_POLL_AGE and not _has_ended(poller)]


def _has_ended(poller: Poller) -> bool:
    return poller.worker is not None and poller.worker.has_ended


def _gone(poller: Poller, now: datetime) -> Finding:
    age_s = (now - poller.last_poll_at).total_seconds()
    reason = "its process has ended" if _has_ended(poller) else "a poll lasts less, so it is gone, or hangs"
    detail = f"dead: it last polled {age_s:.0f} s ago by Temporal's clock; {reason}. Temporal lists it for 5 minutes"
    return Finding(f"Worker {poller.identity}", "note", detail)


def _polling(pollers: Sequence[Poller], expected: ExpectedWorkers) -> Finding:
    names = ", ".join(poller.identity for poller in pollers)
    others = sorted({poller.worker.app for poller in pollers if poller.worker} - {expected.app})
    detail = f"{len(pollers)} on task queue {expected.task_queue!r}: {names}"
    if others:
        return Finding("Workers", "note", f"{detail}. This app is {expected.app}: they serve {', '.join(others)}")
    return Finding("Workers", "ok", detail)


async def _loaded(client: Client, expected: ExpectedWorkers, worker_count: int) -> list[Finding]:
    """Compare what one worker has loaded with the API and the files. Temporal chooses it, so others can't be asked."""
    worker = await _ask_worker(client, expected.task_queue)
    if isinstance(worker, Finding):
        return [worker]
    findings = []
    if expected.data_dir is not None and expected.data_dir != worker.data_dir:
        detail = (
            f"worker {worker.identity} stores large payloads in {worker.data_dir}, and the API in {expected.data_dir}: "
            "neither can read the other's. Give both the same OPSPAWN_DATA_DIR"
        )
        findings.append(Finding("Large payloads", "missing", detail, (expected.start_command,)))
    missing = {name: origin for name, origin in _expected_tools(expected).items() if name not in worker.tools}
    if missing:
        tools = ", ".join(f"{name} ({origin})" for name, origin in missing.items())
        detail = f"worker {worker.identity} has not loaded {tools}. Correct what its log says, or start it again"
        detail += _not_asked(worker_count)
        findings.append(Finding("Tools", "missing", detail, (expected.start_command,)))
    else:
        detail = f"worker {worker.identity} has loaded {', '.join(worker.tools)}{_not_asked(worker_count)}"
        findings.append(Finding("Tools", "ok", detail))
    findings += secret_findings(worker.secret_problems, f"worker {worker.identity}") if expected.has_secrets else []
    return findings


def secret_findings(problems: Sequence[str], reader: str) -> list[Finding]:
    """Report the secrets that ``reader`` can't use; ``problems`` has a message for each."""
    if problems:
        return [Finding("Secrets", "missing", f"{problem} ({reader})") for problem in problems]
    return [Finding("Secrets", "ok", f"{reader} can read all of them")]


def _not_asked(worker_count: int) -> str:
    return f". It is one of {worker_count} workers; the others were not asked" if worker_count > 1 else ""


def _expected_tools(expected: ExpectedWorkers) -> dict[str, str]:
    """Return where each tool comes from that a worker of the task queue should have."""
    tools = dict.fromkeys(expected.file_tools, "in the tool files")
    for agent in expected.agents.agents if expected.agents is not None else ():
        tools.update(dict.fromkeys(agent.tools, f"of agent {agent.name}"))
    elsewhere: set[str] = set()
    for tool in expected.api_tools.tools if expected.api_tools is not None else ():
        if tool.task_queue in (None, expected.task_queue):
            tools.setdefault(tool.name, "offered by the API")
        else:
            elsewhere.add(tool.name)
    return {name: origin for name, origin in tools.items() if name not in elsewhere}


async def _ask_worker(client: Client, task_queue: str) -> WorkerDescription | Finding:
    """Return what a worker has loaded, or why that isn't known."""
    try:
        async with asyncio.timeout(_CALL_TIMEOUT_S):
            description: WorkerDescription = await client.execute_activity(
                "describe_worker",
                id=f"opspawn-doctor-{uuid.uuid4().hex}",
                task_queue=task_queue,
                result_type=WorkerDescription,
                schedule_to_start_timeout=_RESPONSE_TIMEOUT,
                start_to_close_timeout=_RESPONSE_TIMEOUT,
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
            return description
    except ActivityFailureError as error:
        if isinstance(error.cause, ApplicationError):
            return Finding("Tools", "note", "the worker is of a release that can't list its tools")
        seconds = _RESPONSE_TIMEOUT.total_seconds()
        detail = f"no worker responded within {seconds:g} s: they are busy, or hang. Their logs may say why"
        return Finding("Tools", "missing", detail)
    except TimeoutError:
        return Finding("Tools", "missing", f"Temporal took more than {_CALL_TIMEOUT_S:g} s to ask a worker")
    except RPCError as error:
        if error.status is RPCStatusCode.UNIMPLEMENTED:
            return Finding("Tools", "note", "this Temporal server is too old to ask a worker for its tools")
        return Finding("Tools", "note", f"Temporal refuses to ask a worker for its tools: {error.message}")
