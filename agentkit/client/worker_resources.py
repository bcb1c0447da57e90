"""The API's objects of workers and their versions, as far as programs read them; unknown fields are ignored."""

from __future__ import annotations

from datetime import datetime

from agentkit.client.resources import ApiObject

__all__ = ["DrainedTasks", "WorkerInfo", "WorkerList", "WorkerVersion"]


class WorkerInfo(ApiObject):
    """A worker that polls the task queue."""

    identity: str
    """Its process, its machine, and the app that it serves."""
    deployment: str | None = None
    """None: it is unversioned."""
    build_id: str | None = None
    """None: it is unversioned."""
    last_poll_at: datetime | None = None


class WorkerVersion(ApiObject):
    """The workers of one version, and the tasks that only they run."""

    deployment: str | None = None
    """Temporal's worker deployment that the version is of. None: unversioned workers."""
    build_id: str | None = None
    """None: unversioned workers."""
    status: str = ""
    """``current``, ``ramping``, ``draining``, ``drained`` or ``inactive``."""
    workers: int = 0
    """How many poll."""
    created_at: datetime | None = None
    tasks: int = 0
    """How many open tasks and conversations are pinned to it."""
    task_ids: tuple[str, ...] = ()
    """The newest of them, where the version gets no new ones."""
    problem: str | None = None
    """Why its tasks can't go on, and what to do."""


class WorkerList(ApiObject):
    """The workers of the API's task queue."""

    deployment: str
    """Temporal's worker deployment, that of the current version where workers are of several."""
    task_queue: str
    current: str | None = None
    """The build id that new tasks are given to; None: to unversioned workers."""
    ramping: str | None = None
    ramping_percentage: float = 0.0
    versions: tuple[WorkerVersion, ...] = ()
    workers: tuple[WorkerInfo, ...] = ()
    problem: str | None = None
    """Why no worker gets new tasks though some poll, and what to do."""


class DrainedTasks(ApiObject):
    """What has become of the tasks and conversations of a version."""

    signalled: int = 0
    """How many were asked to move, and do by themselves between two steps."""
    moved: int = 0
    """How many run on the current version now, which has replayed their history."""
    remaining: int = 0
    """How many haven't moved, and weren't signalled."""
