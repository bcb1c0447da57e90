"""Why workers that poll get no tasks, for people: their version isn't current, or a task is pinned to another one."""

from __future__ import annotations

from temporalio.common import WorkerDeploymentVersion

from activities.temporal.queue_workers import QueueWorkers, VersionRouting

__all__ = [
    "current_without_workers",
    "ended_without_workers",
    "not_current",
    "pinned_without_workers",
    "unserved_queue",
    "unserved_tasks",
]


def not_current(version: WorkerDeploymentVersion | None, routing: VersionRouting) -> str:
    """Return that workers of a version get no new tasks, which version does, and the command that changes that."""
    command = "--unversioned" if version is None else version.build_id
    return (
        f"{_capital(_workers(version))} get no new tasks: those are for {_workers(routing.current)}. "
        f"Change that: `opspawn workers set-current {command}`"
    )


def unserved_queue(workers: QueueWorkers, task_queue: str) -> str | None:
    """Return why none of the workers of a task queue gets new tasks; None if one does, or none polls at all."""
    if not workers.pollers or workers.serving(None):
        return None
    newest = max(workers.pollers, key=lambda poller: poller.last_poll_at)
    return f"Task queue {task_queue!r}: {_uncapital(not_current(newest.version, workers.routing))}."


def unserved_tasks(workers: QueueWorkers, task_queue: str) -> str | None:
    """Return why new tasks of a task queue, or a share of them, don't start; None if all do, or no worker polls."""
    missing = next(iter(workers.unserved_shares.items()), None)
    if missing is None or not workers.serving(None):
        return unserved_queue(workers, task_queue)
    version, percentage = missing
    return (
        f"Task queue {task_queue!r}: {percentage:g} % of the new tasks are for {_workers(version)}, and none polls. "
        "Start one, or change the ramp: `temporal worker deployment set-ramping-version`."
    )


def pinned_without_workers(version: WorkerDeploymentVersion, tasks: int | None = None) -> str:
    """Return why a task that is pinned to a version without workers doesn't go on, or so many, and the two cures."""
    pinned, them = ("the task is", "it") if tasks is None else (f"{tasks} open are", "them")
    return (
        f"No worker of version {version.build_id} of {version.deployment_name} polls, and {pinned} pinned to it. Start "
        f"one, or move {them} to the version that gets new tasks: `opspawn workers drain {version.build_id}`"
    )


def current_without_workers(version: WorkerDeploymentVersion) -> str:
    """Return why a task doesn't go on that is pinned to a version which gets new tasks and has no workers."""
    return (
        f"No worker of version {version.build_id} of {version.deployment_name} polls, and the task is pinned to it. "
        "New tasks are for that version, too: start a worker of it."
    )


def ended_without_workers(version: WorkerDeploymentVersion, reason: str) -> str:
    """Return why a task that has ended can't be read: no worker of its version polls, and a replay has failed."""
    return (
        f"The task has ended on version {version.build_id} of {version.deployment_name}. No worker of that version "
        f"polls, and this release can't read its history ({reason}): start a worker of that version, and ask again."
    )


def _workers(version: WorkerDeploymentVersion | None) -> str:
    if version is None:
        return "unversioned workers"
    return f"workers of version {version.build_id} of {version.deployment_name}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _uncapital(text: str) -> str:
    return text[0].lower() + text[1:]
