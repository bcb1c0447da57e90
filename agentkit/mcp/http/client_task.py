"""A task that enters and leaves a client: the SDK requires that the same task does both."""

from __future__ import annotations

import asyncio

from mcp import Client

__all__ = ["ClientTask"]

_CANCEL_TIMEOUT_S = 1.0


class ClientTask:
    """A connected client, for use by any task, until ``stop``."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._connected = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    @classmethod
    async def start(cls, client: Client) -> ClientTask:
        """Connect the client.

        Raises:
            Exception: what the client raised; nothing is left open then, nor when the caller is cancelled.
        """
        opened = cls(client)
        connected = asyncio.create_task(opened._connected.wait())
        try:
            await asyncio.wait({opened._task, connected}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await opened._cancel()
            raise
        finally:
            connected.cancel()
        if opened.has_ended:
            opened._task.result()
        return opened

    @property
    def has_ended(self) -> bool:
        """Whether the connection has ended, by itself or by ``stop``."""
        return self._task.done()

    async def stop(self, timeout_s: float) -> None:
        """Close the connection; after ``timeout_s`` seconds it is given up. Errors in closing are ignored."""
        self._stopping.set()
        await asyncio.wait({self._task}, timeout=timeout_s)
        await self._cancel()

    async def _run(self) -> None:
        async with self.client:
            self._connected.set()
            await self._stopping.wait()

    async def _cancel(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=_CANCEL_TIMEOUT_S)
        if self._task.done() and not self._task.cancelled():
            self._task.exception()  # it is retrieved, so asyncio doesn't log it
