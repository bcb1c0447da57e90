"""The time of a request, without waits for people and models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from agentkit.interfaces import ClientInput, ClientInputRequest

__all__ = ["RequestClock"]


class RequestClock:
    """An async context manager that raises ``TimeoutError``; its time stands still while something is asked."""

    def __init__(self, timeout_s: float, *, wait_s: float) -> None:
        """``wait_s`` is how long all questions together may take."""
        self._remaining_s = timeout_s
        self._wait_s = wait_s
        self._timeout = asyncio.timeout(None)
        self._started_at: float | None = None
        self._asking = 0

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._run()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._timeout.__aexit__(kind, error, traceback)

    def shorten_wait(self, seconds: float) -> None:
        """Take what was spent otherwise from the time for questions; less than 0 is nothing."""
        self._wait_s = max(0.0, self._wait_s - max(0.0, seconds))

    def without_waits(
        self, ask: Callable[[ClientInputRequest], Awaitable[ClientInput]]
    ) -> Callable[[ClientInputRequest], Awaitable[ClientInput]]:
        """Return ``ask``, during which the time stands still; after ``wait_s`` there is no input."""

        async def asked(request: ClientInputRequest) -> ClientInput:
            started_at = asyncio.get_running_loop().time()
            self._hold()
            try:
                async with asyncio.timeout(self._wait_s):
                    return await ask(request)
            except TimeoutError:
                return ClientInput(error=f"There was no answer within {self._wait_s:g} s.")
            finally:
                self._wait_s = max(0.0, self._wait_s - (asyncio.get_running_loop().time() - started_at))
                self._asking -= 1
                if self._asking == 0 and not self._timeout.expired():
                    self._run()

        return asked

    def _run(self) -> None:
        self._started_at = asyncio.get_running_loop().time()
        self._timeout.reschedule(self._started_at + self._remaining_s)

    def _hold(self) -> None:
        self._asking += 1
        if self._started_at is not None:
            self._remaining_s = max(0.0, self._remaining_s - (asyncio.get_running_loop().time() - self._started_at))
            self._started_at = None
        self._timeout.reschedule(None)
