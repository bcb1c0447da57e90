"""See workers and their versions, and move tasks between them: ``OpspawnClient.workers``."""

from __future__ import annotations

from agentkit.client.api_connection import ApiConnection
from agentkit.client.worker_resources import DrainedTasks, WorkerList

__all__ = ["WorkerCalls"]

_DRAIN_TIMEOUT_S = 900.0


class WorkerCalls:
    """The workers of the API's task queue. Changes need the role ``admin``."""

    def __init__(self, connection: ApiConnection) -> None:
        self._connection = connection

    async def list(self) -> WorkerList:
        """Return the workers, their versions, and the tasks that are pinned to them."""
        return await self._connection.get(WorkerList, "/workers")

    async def set_current(self, build_id: str | None, *, allow_no_workers: bool = False) -> WorkerList:
        """Give new tasks to the workers of a version; None: to unversioned ones.

        ``allow_no_workers`` is for a version of which no worker polls yet.
        """
        return await self._connection.post(
            WorkerList, "/workers/set-current", {"build_id": build_id, "allow_no_workers": allow_no_workers}
        )

    async def drain(self, build_id: str, *, override: bool = False) -> DrainedTasks:
        """Move a version's open tasks and conversations to the current one.

        Each moves between two steps. With ``override``, and where no worker of the version polls, it is moved as it is,
        1,000 at most: workers of the current version replay its history.
        """
        return await self._connection.post(
            DrainedTasks, "/workers/drain", {"build_id": build_id, "override": override}, wait=_DRAIN_TIMEOUT_S
        )
