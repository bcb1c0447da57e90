"""Keep the children of ``opspawn dev`` alive, say when they are ready, and stop them in order."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress

from httpx2 import AsyncClient, HTTPError, Timeout

from cli.dev.child_process import Child, ChildSpec, Guard
from cli.dev.dev_plan import Plan
from cli.dev.log_view import LogView
from cli.errors import CommandFailed

__all__ = ["Supervisor"]

_BACKOFF = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before a child that ended is started again; the last one repeats."""
_SETTLED = 30.0
"""Seconds after which a child counts as started well, and the backoff begins anew."""
_LAST_SECONDS = 1.0
"""How long the end of what was killed is waited for."""
_POLL = 0.2
_SLOW_START = 20.0
"""Seconds after which the readiness that is missing is told."""


class Supervisor:
    """Runs a plan until it is told to stop."""

    def __init__(self, plan: Plan, view: LogView, guard: Guard, stopping: asyncio.Event) -> None:
        self._plan = plan
        self._view = view
        self._guard = guard
        self._stopping = stopping
        self._children = {spec: Child(spec, view, guard) for spec in plan.children}
        self._failure: str | None = None
        self._ready = False

    async def run(self) -> None:
        """Start everything, keep it alive until ``stopping``, then stop it: API, workers, Temporal.

        Raises:
            CommandFailed: Temporal ended before anything was ready.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._interrupt)
        started = time.monotonic()
        keeping = [asyncio.create_task(self._keep(child)) for child in self._children.values()]
        announcing = asyncio.create_task(self._announce(started))
        await self._stopping.wait()
        announcing.cancel()
        self._view.hush()
        await self._stop()
        await asyncio.wait(keeping, timeout=_LAST_SECONDS)
        with suppress(asyncio.CancelledError):
            await announcing
        if self._failure is not None:
            raise CommandFailed(self._failure)

    def _interrupt(self) -> None:
        """Stop in order; when asked again, at once."""
        if self._stopping.is_set():
            for child in self._children.values():
                child.kill()
        else:
            self._view.say("\nStopping. Tasks go on when opspawn dev is started again.")
            self._stopping.set()

    async def _keep(self, child: Child) -> None:
        failures = 0
        while not self._stopping.is_set():
            born = time.monotonic()
            try:
                ending = await child.live()
            except OSError as error:
                ending = f"can't be started: {error}"
            if self._stopping.is_set():
                return
            failures = 0 if time.monotonic() - born > _SETTLED else failures
            pause = _BACKOFF[min(failures, len(_BACKOFF) - 1)]
            failures += 1
            self._report(child, ending, pause)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    def _report(self, child: Child, ending: str, pause: float) -> None:
        said = [f"    {line}" for line in child.last_lines]
        if child.spec is self._plan.temporal and not self._ready:
            self._failure = "\n".join([f"Temporal {ending} before it was ready. Its last lines:", *said])
            self._stopping.set()
            return
        header = f"{child.spec.name} {ending}; starting it again in {pause:g} s."
        self._view.say("\n".join([header, *(["  Its last lines:", *said] if said else [])]), "yellow")

    async def _announce(self, started: float) -> None:
        # Without workers the API never says that it is ready; that it answers has to do.
        path = "/readyz" if self._plan.workers else "/healthz"
        told = False
        async with AsyncClient(base_url=self._plan.api_url, timeout=Timeout(5.0), trust_env=False) as http:
            while (reason := await _lacking(http, path)) is not None:
                if not told and time.monotonic() - started > _SLOW_START:
                    self._view.say(f"Not ready yet: {reason}", "yellow")
                    told = True
                await asyncio.sleep(_POLL)
        self._ready = True
        seconds = time.monotonic() - started
        self._view.say("")
        self._view.table(self._plan.table)
        self._view.say(f"\nReady after {seconds:.1f} s. Ctrl-C stops everything. In another terminal, try:")
        url = "" if self._plan.api_url == "http://127.0.0.1:8000" else f" --url {self._plan.api_url}"
        self._view.say(f"""  opspawn run assistant 'call calculator {{"expression": "6*7"}}' --follow{url}\n""")

    async def _stop(self) -> None:
        # The API first, so that nobody is promised anything; Temporal last, so that workers can hand over.
        api = [self._children[self._plan.api]]
        workers = [self._children[spec] for spec in self._plan.workers]
        temporal: list[ChildSpec] = [self._plan.temporal] if self._plan.temporal else []
        for group in (api, workers, [self._children[spec] for spec in temporal]):
            await asyncio.gather(*(child.stop() for child in group))


async def _lacking(http: AsyncClient, path: str) -> str | None:
    """Return why the API isn't ready yet; None when it is."""
    try:
        response = await http.get(path)
    except HTTPError as error:
        return f"the API doesn't answer ({str(error) or type(error).__name__})"
    if response.status_code == 200:
        return None
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{path} answers {response.status_code} {response.text[:200]}"
