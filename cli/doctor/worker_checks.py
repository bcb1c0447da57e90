"""Check the workers of a task queue: which poll, which are gone, what they have loaded, and what holds them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from temporalio.client import ActivityFailureError, Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.temporal.encryption.encrypted_payloads import PayloadUndecryptable
from activities.temporal.task_queue_pollers import MAX_POLL_AGE, Poller, listed_pollers
from activities.temporal.temporal_clock import temporal_now
from activities.tool_calls import SlowCalls
from activities.worker.worker_description import WorkerDescription
from activities.worker.worker_survey import RESPONSE_TIMEOUT, SURVEY_TIMEOUT_S, describe_workers
from agentkit.client import AgentList, ToolList
from agentkit.mcp_config.mcp_names import MCP_PREFIX
from cli.doctor.finding import Finding
from cli.doctor.version_checks import version_findings

__all__ = [
    "ExpectedWorkers",
    "encryption_findings",
    "poller_findings",
    "sandbox_findings",
    "secret_findings",
    "worker_findings",
]


@dataclass(frozen=True, slots=True)
class ExpectedWorkers:
    """The workers that a running system should have."""

    task_queue: str
    app: str
    """The app that they serve, as ``app_id`` returns it."""
    start_command: str
    """Starts one."""
    deployment: str = "opspawn"
    """Their worker deployment, where they are versioned."""
    data_dir: str | None = None
    """Where the API stores large payloads; None: not on this machine."""
    file_tools: Sequence[str] = ()
    """The names of the tools in the app's files as they are now."""
    api_tools: ToolList | None = None
    """The tools that the API offers; None: it doesn't respond."""
    agents: AgentList | None = None
    has_secrets: bool = False
    """Whether the settings name secrets of tools."""
    encryption_keys: Sequence[str] = ()
    """The ids of the keys of this machine's settings; the first encrypts."""


async def worker_findings(client: Client, expected: ExpectedWorkers) -> list[Finding]:
    """Report the workers that poll, those that are gone, what they have loaded, and what holds them up."""
    queue = expected.task_queue
    try:
        listed = await listed_pollers(client, queue)
        now = await temporal_now(client)
    except RPCError as error:
        return [Finding("Workers", "missing", f"Temporal refuses to list the workers of {queue!r}: {error.message}")]
    findings = poller_findings(listed, now, expected)
    polling = _still_polling(listed, now)
    routed, gets_tasks = await version_findings(client, queue, expected.deployment)
    findings += routed
    if not polling or not gets_tasks:
        return findings
    workers = await _ask_workers(client, queue, len(polling))
    if isinstance(workers, Finding):
        return [*findings, workers]
    return [*findings, *_loaded(workers, expected, len(polling)), *sandbox_findings(workers), *_held_up(workers)]


def poller_findings(listed: Sequence[Poller], now: datetime, expected: ExpectedWorkers) -> list[Finding]:
    """Report the workers that poll, and those that are gone; ``now`` is the time by Temporal's clock."""
    polling = _still_polling(listed, now)
    gone = [_gone(poller, now) for poller in listed if poller not in polling]
    if polling:
        return [_polling(polling, expected), *gone]
    problem = f"none polls task queue {expected.task_queue!r}"
    return [Finding("Workers", "missing", problem, (expected.start_command,)), *gone]


def _still_polling(listed: Sequence[Poller], now: datetime) -> list[Poller]:
    return [poller for poller in listed if now - poller.last_poll_at <= MAX_POLL_AGE and not poller.has_ended]


def _gone(poller: Poller, now: datetime) -> Finding:
    age_s = (now - poller.last_poll_at).total_seconds()
    reason = "its process has ended" if poller.has_ended else "a poll lasts less, so it is gone, or hangs"
    detail = f"dead: it last polled {age_s:.0f} s ago by Temporal's clock; {reason}. Temporal lists it for 5 minutes"
    return Finding(f"Worker {poller.identity}", "note", detail)


def _polling(pollers: Sequence[Poller], expected: ExpectedWorkers) -> Finding:
    names = ", ".join(poller.identity for poller in pollers)
    others = sorted({poller.worker.app for poller in pollers if poller.worker} - {expected.app})
    detail = f"{len(pollers)} on task queue {expected.task_queue!r}: {names}"
    if others:
        return Finding("Workers", "note", f"{detail}. This app is {expected.app}: they serve {', '.join(others)}")
    return Finding("Workers", "ok", detail)


def _loaded(workers: Sequence[WorkerDescription], expected: ExpectedWorkers, worker_count: int) -> Iterator[Finding]:
    """Compare what the workers that responded have loaded with the API and the files."""
    for worker in workers:
        if expected.data_dir is not None and expected.data_dir != worker.data_dir:
            detail = (
                f"worker {worker.identity} stores large payloads in {worker.data_dir}, and the API in "
                f"{expected.data_dir}: neither can read the other's. Give both the same OPSPAWN_DATA_DIR"
            )
            yield Finding("Large payloads", "missing", detail, (expected.start_command,))
        yield from encryption_findings(worker, expected.encryption_keys)
        if expected.has_secrets:
            yield from secret_findings(worker.secret_problems, f"worker {worker.identity}")
    others = worker_count - len(workers)
    not_asked = f". Temporal passed the request to none of the {others} other workers" if others > 0 else ""
    origins, is_complete = _expected_tools(expected), True
    for worker in workers:
        missing = [f"{name} ({origin})" for name, origin in origins.items() if name not in worker.tools]
        if missing:
            is_complete = False
            detail = f"worker {worker.identity} has not loaded {', '.join(missing)}"
            detail += f". Correct what its log says, or start it again{not_asked}"
            yield Finding("Tools", "missing", detail, (expected.start_command,))
    if is_complete:
        tools = sorted({name for worker in workers for name in worker.tools})
        names = ", ".join(worker.identity for worker in workers)
        subject = f"worker {names} has" if len(workers) == 1 else f"workers {names} have"
        yield Finding("Tools", "ok", f"{subject} loaded {', '.join(tools)}{not_asked}")


def encryption_findings(worker: WorkerDescription, keys: Sequence[str]) -> Iterator[Finding]:
    """Report whether a worker and this machine can decrypt what the other encrypts; ``keys`` are this machine's ids."""
    name, others = f"worker {worker.identity}", worker.encryption_keys
    for reader, ids, writer, writer_ids in ((name, others, "this machine", keys), ("this machine", keys, name, others)):
        if writer_ids and writer_ids[0] not in ids:
            detail = f"{reader} doesn't have the key {writer_ids[0]!r}, with which {writer} encrypts"
            yield Finding("Encryption", "missing", f"{detail}. Give both the same OPSPAWN_ENCRYPTION_KEYS")
            return
    if keys:
        yield Finding("Encryption", "ok", f"{name} and this machine decrypt what the other encrypts")


def sandbox_findings(workers: Sequence[WorkerDescription]) -> Iterator[Finding]:
    """Report how the workers confine a model's code."""
    for worker in workers:
        if worker.sandbox is not None:
            detail = f"{worker.sandbox}; worker {worker.identity}"
            is_confined = worker.sandbox.startswith(("bubblewrap", "landlock"))
            yield Finding("Sandbox", "ok" if is_confined else "note", detail)


def _held_up(workers: Sequence[WorkerDescription]) -> Iterator[Finding]:
    """Report the waits that providers asked for, and the tool calls that take long."""
    for worker in workers:
        for wait in worker.model_waits:
            detail = (
                f"its provider accepts no request with {wait.key} for another {wait.seconds:.0f} s: {wait.requests} "
                f"wait in worker {worker.identity}. No wait lasts longer than model_max_wait"
            )
            yield Finding(f"Model {wait.model}", "note", detail)
        for slow in worker.slow_calls:
            yield Finding(f"Tool {slow.tool}", "note", f"{_slow_text(slow)}; worker {worker.identity}")


def _slow_text(slow: SlowCalls) -> str:
    parts = []
    if slow.count:
        parts.append(
            f"{slow.count} calls take long, the longest {slow.seconds:.0f} s so far (timeout {slow.timeout:g} s), of "
            f"tasks {', '.join(slow.task_ids)}{' and others' if slow.count > len(slow.task_ids) else ''}"
        )
    if slow.abandoned:
        parts.append(f"{slow.abandoned} of its functions run on though their calls have ended")
    return "; ".join(parts)


def secret_findings(problems: Sequence[str], reader: str) -> list[Finding]:
    """Report the secrets that ``reader`` can't use; ``problems`` has a message for each."""
    if problems:
        return [Finding("Secrets", "missing", f"{problem} ({reader})") for problem in problems]
    return [Finding("Secrets", "ok", f"{reader} can read all of them")]


def _expected_tools(expected: ExpectedWorkers) -> dict[str, str]:
    """Return where each tool comes from that a worker of the task queue should have."""
    tools = dict.fromkeys(expected.file_tools, "in the tool files")
    for agent in expected.agents.agents if expected.agents is not None else ():
        own = (name for name in agent.tools if not name.startswith(MCP_PREFIX))  # others are listed by each task
        tools.update(dict.fromkeys(own, f"of agent {agent.name}"))
    elsewhere: set[str] = set()
    for tool in expected.api_tools.tools if expected.api_tools is not None else ():
        if tool.task_queue in (None, expected.task_queue):
            tools.setdefault(tool.name, "offered by the API")
        else:
            elsewhere.add(tool.name)
    return {name: origin for name, origin in tools.items() if name not in elsewhere}


async def _ask_workers(client: Client, task_queue: str, count: int) -> list[WorkerDescription] | Finding:
    """Return the descriptions of those workers that Temporal chose, of ``count``; or why there is none."""
    try:
        return await describe_workers(client, task_queue, count)
    except ActivityFailureError as error:
        if isinstance(error.cause, ApplicationError):
            return Finding("Tools", "note", "the worker is of a release that can't list its tools")
        seconds = RESPONSE_TIMEOUT.total_seconds()
        detail = f"no worker responded within {seconds:g} s: they are busy, or hang. Their logs may say why"
        return Finding("Tools", "missing", detail)
    except TimeoutError:
        return Finding("Tools", "missing", f"Temporal took more than {SURVEY_TIMEOUT_S:g} s to ask a worker")
    except PayloadUndecryptable as error:
        return Finding("Encryption", "missing", f"a worker encrypts with other keys than this machine: {error}")
    except RPCError as error:
        if error.status is RPCStatusCode.UNIMPLEMENTED:
            return Finding("Tools", "note", "this Temporal server is too old to ask a worker for its tools")
        return Finding("Tools", "note", f"Temporal refuses to ask a worker for its tools: {error.message}")
