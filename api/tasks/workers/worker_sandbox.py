"""How the workers confine a model's code: asked of one of them, and remembered for a minute."""

from __future__ import annotations

import asyncio
import time

from temporalio.client import ActivityFailureError, Client
from temporalio.service import RPCError

from activities.worker.worker_survey import describe_workers

__all__ = ["WorkerSandbox"]

_MAX_AGE_S = 60.0
_WAIT_S = 0.5
"""How long a request waits for the worker; later ones have its response."""


class WorkerSandbox:
    """What the worker that Temporal chooses says about its sandbox."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue
        self._description: str | None = None
        self._asked_at = -_MAX_AGE_S
        self._asking: asyncio.Task[None] | None = None

    async def description(self) -> str | None:
        """Return the tier and what it uses, or why no code can be run; None: no worker has responded yet, or it has no
        such tools.
        """
        if self._asking is None and time.monotonic() - self._asked_at >= _MAX_AGE_S:
            self._asking = asyncio.create_task(self._ask())
        if self._asking is not None:
            await asyncio.wait({self._asking}, timeout=_WAIT_S)
        return self._description

    async def aclose(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        try:
            (worker, *_) = await describe_workers(self._client, self._task_queue, 1)
            self._description = worker.sandbox
        except (ActivityFailureError, RPCError, TimeoutError):  # a worker of another release, or none that responds
            self._description = None
        finally:
            self._asked_at = time.monotonic()
            self._asking = None
