"""Tasks that are known by their ids before their workflows start: turns whose message waits."""

from __future__ import annotations

from typing import Protocol

from api.tasks.task_snapshot import TaskSnapshot

__all__ = ["NoPendingTasks", "PendingTasks"]


class PendingTasks(Protocol):
    """Finds tasks that have not started."""

    async def find(self, task_id: str) -> TaskSnapshot | None:
        """Return a task that waits to be started; None: there is none of this id."""
        ...


class NoPendingTasks:
    """Finds none."""

    async def find(self, task_id: str) -> TaskSnapshot | None:
        """Return None."""
        return None
