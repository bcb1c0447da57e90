"""Workers and their versions in REST's JSON: requests and responses, with examples."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from activities.settings import BuildId
from activities.temporal.versions.worker_deployments import VersionStatus
from api.tasks.workers.worker_versions import DeploymentView

__all__ = [
    "DrainRequest",
    "DrainResponse",
    "SetCurrentRequest",
    "WorkerResponse",
    "WorkerVersionResponse",
    "WorkersResponse",
]

_WORKERS: JsonValue = [
    {
        "identity": "4711@worker-0/shop",
        "deployment": "opspawn",
        "build_id": "2026-11-28",
        "last_poll_at": "2026-11-28T10:00:00Z",
    }
]
_VERSIONS: JsonValue = [
    {
        "deployment": "opspawn",
        "build_id": "2026-11-28",
        "status": "current",
        "workers": 1,
        "created_at": "2026-11-28T09:00:00Z",
        "tasks": 3,
        "task_ids": [],
        "problem": None,
    },
    {
        "deployment": "opspawn",
        "build_id": "2026-11-01",
        "status": "draining",
        "workers": 1,
        "created_at": "2026-11-01T09:00:00Z",
        "tasks": 1,
        "task_ids": ["task-01a1ffab7d617517824951118c3e99ab"],
        "problem": None,
    },
]


def _example(**example: JsonValue) -> ConfigDict:
    extra: dict[str, Any] = {"example": example}
    return ConfigDict(frozen=True, extra="forbid", json_schema_extra=extra)


class WorkerResponse(BaseModel):
    """A worker that polls the task queue."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    identity: str
    """Its process, its machine, and the app that it serves."""
    deployment: str | None
    """Null: it is unversioned."""
    build_id: str | None
    """Null: it is unversioned."""
    last_poll_at: datetime


class WorkerVersionResponse(BaseModel):
    """The workers of one version, and the tasks that only they run."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    deployment: str | None
    """Temporal's worker deployment that the version is of. Null: unversioned workers."""
    build_id: str | None
    """Null: unversioned workers."""
    status: VersionStatus
    """As Temporal has it: `current` and `ramping` versions get new tasks, `draining` ones only finish theirs."""
    workers: int
    """How many poll."""
    created_at: datetime | None
    """When its first worker polled. Null for unversioned workers."""
    tasks: int
    """How many open tasks and conversations are pinned to it, of those that you may see."""
    task_ids: tuple[str, ...]
    """The ids of the newest 50 of them. Empty for a version that gets new tasks."""
    problem: str | None
    """Why its tasks can't go on, and what to do."""


class WorkersResponse(BaseModel):
    """The workers of the task queue, and which versions they have."""

    model_config = _example(
        deployment="opspawn",
        task_queue="opspawn",
        current="2026-11-28",
        ramping=None,
        ramping_percentage=0.0,
        versions=_VERSIONS,
        workers=_WORKERS,
        problem=None,
    )

    deployment: str
    """Temporal's worker deployment, that of the current version where workers are of several."""
    task_queue: str
    current: str | None
    """The build id that new tasks are given to; null: to unversioned workers."""
    ramping: str | None
    """The build id that a share of new tasks is given to."""
    ramping_percentage: float
    """That share; 0: there is none."""
    versions: tuple[WorkerVersionResponse, ...]
    """Unversioned workers first, then the newest version."""
    workers: tuple[WorkerResponse, ...]
    problem: str | None
    """Why no worker gets new tasks though some poll, and what to do."""

    @classmethod
    def of(cls, view: DeploymentView) -> WorkersResponse:
        """Return the response for a deployment."""
        return cls(
            deployment=view.deployment,
            task_queue=view.task_queue,
            current=view.current,
            ramping=view.ramping,
            ramping_percentage=view.ramping_percentage,
            versions=tuple(map(WorkerVersionResponse.model_validate, view.versions)),
            workers=tuple(map(WorkerResponse.model_validate, view.workers)),
            problem=view.problem,
        )


class SetCurrentRequest(BaseModel):
    """Which workers get new tasks."""

    model_config = _example(build_id="2026-11-28")

    build_id: BuildId | None
    """Null: unversioned workers."""
    allow_no_workers: Annotated[bool, Field(strict=True)] = False
    """Also where no worker of the version polls yet."""


class DrainRequest(BaseModel):
    """The version whose tasks are to move."""

    model_config = _example(build_id="2026-11-01")

    build_id: BuildId
    override: Annotated[bool, Field(strict=True)] = False
    """Also move tasks that are within a step: workers of the current version replay their history. Always done where no
    worker of the version polls."""


class DrainResponse(BaseModel):
    """What has become of the tasks and conversations of a version."""

    model_config = ConfigDict(
        frozen=True, from_attributes=True, json_schema_extra={"example": {"signalled": 1, "moved": 0, "remaining": 0}}
    )

    signalled: int
    """How many were asked to move, and do by themselves: between two steps, and after an answer that they wait for."""
    moved: int
    """How many run on the current version now, which has replayed their history."""
    remaining: int
    """How many haven't moved, and weren't signalled: send the request again."""
