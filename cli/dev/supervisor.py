"""Run the children of ``opspawn dev``: restart them, report when all are ready, and stop them in order."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress

from httpx2 import AsyncClient, HTTPError, Timeout

from activities.shell_commands import opspawn_command
from cli.command_options import url_option
from cli.dev.child_process import ChildProcess, ProcessGuard
from cli.dev.dev_plan import DevPlan
from cli.dev.log_view import LogView
from cli.errors import CommandFailed

__all__ = ["Supervisor"]

_BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before a child that ended is restarted; the last value repeats."""
_STABLE_AFTER_S = 10.0
"""A child that has run for so long is restarted with the first backoff again."""
_END_TIMEOUT_S = 1.0
"""Seconds to wait for processes that were killed."""
_POLL_INTERVAL_S = 0.2
_SLOW_START_S = 20.0
"""Seconds of starting after which the reason for not being ready is shown."""


class Supervisor:
    """Runs the processes of a plan until ``stopping`` is set."""

    def __init__(self, plan: DevPlan, view: LogView, guard: ProcessGuard, stopping: asyncio.Event) -> None:
        self._plan = plan
        self._view = view
        self._stopping = stopping
        self._children = {spec.name: ChildProcess(spec, view, guard) for spec in plan.children}
        self._failure: str | None = None
        self._ready = False

    async def run(self) -> None:
        """Start all children, restart those that end until ``stopping``, then stop API, workers and Temporal.

        Raises:
            CommandFailed: Temporal ended before everything was ready.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._interrupt)
        started_at = time.monotonic()
        keeping = [asyncio.create_task(self._keep_running(child)) for child in self._children.values()]
        announcing = asyncio.create_task(self._announce_readiness(started_at))
        await self._stopping.wait()
        announcing.cancel()
        self._view.mute_children()
        await self._stop()
        await asyncio.wait(keeping, timeout=_END_TIMEOUT_S)
        with suppress(asyncio.CancelledError):
            await announcing
        if self._failure is not None:
            raise CommandFailed(self._failure)

    def _interrupt(self) -> None:
        """Stop in order; at the second signal, at once."""
        if self._stopping.is_set():
            for child in self._children.values():
                child.kill()
        else:
            self._view.notice("\nStopping. Tasks go on when opspawn dev is started again.")
            self._stopping.set()

    async def _keep_running(self, child: ChildProcess) -> None:
        failures = 0
        while not self._stopping.is_set():
            started_at = time.monotonic()
            try:
                ending = await child.run()
            except OSError as error:
                ending = f"can't be started: {error}"
            if self._stopping.is_set():
                return
            failures = 0 if time.monotonic() - started_at > _STABLE_AFTER_S else failures
            backoff_s = _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)]
            failures += 1
            self._report_end(child, ending, backoff_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff_s)

    def _report_end(self, child: ChildProcess, ending: str, backoff_s: float) -> None:
        last_lines = [f"    {line}" for line in child.last_lines]
        if child.spec is self._plan.temporal and not self._ready:
            self._failure = "\n".join([f"Temporal {ending} before it was ready. Its last lines:", *last_lines])
            self._stopping.set()
            return
        header = f"{child.spec.name} {ending}; starting it again in {backoff_s:g} s."
        self._view.notice("\n".join([header, *(["  Its last lines:", *last_lines] if last_lines else [])]), "yellow")

    async def _announce_readiness(self, started_at: float) -> None:
        # Without workers the API never reports ready: it is enough that it responds.
        path = "/readyz" if self._plan.workers else "/healthz"
        reason_shown = False
        async with AsyncClient(base_url=self._plan.api_url, timeout=Timeout(5.0), trust_env=False) as http:
            while (reason := await _reason_not_ready(http, path)) is not None:
                if not reason_shown and time.monotonic() - started_at > _SLOW_START_S:
                    self._view.notice(f"Not ready yet: {reason}", "yellow")
                    reason_shown = True
                await asyncio.sleep(_POLL_INTERVAL_S)
        self._ready = True
        seconds = time.monotonic() - started_at
        self._view.notice("")
        if self._plan.notice:
            self._view.notice(f"{self._plan.notice}\n", "yellow")
        self._view.table(self._plan.table)
        self._view.notice(f"\nReady after {seconds:.1f} s. Ctrl-C stops everything. In another terminal, try:")
        url = url_option(self._plan.api_url)
        command = opspawn_command("run", "assistant", self._plan.example_input, "--follow", *url)
        self._view.notice(f"  {command}\n")

    async def _stop(self) -> None:
        # The API first, so that no new task is accepted; Temporal last, so that workers can report their results.
        temporal = [self._plan.temporal] if self._plan.temporal else []
        for specs in ([self._plan.api], self._plan.workers, temporal):
            await asyncio.gather(*(self._children[spec.name].stop() for spec in specs))


async def _reason_not_ready(http: AsyncClient, path: str) -> str | None:
    """Return why the API isn't ready yet; None when it is."""
    try:
        response = await http.get(path)
    except HTTPError as error:
        return f"the API doesn't respond ({str(error) or type(error).__name__})"
    if response.status_code == 200:
        return None
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{path} responds {response.status_code} {response.text[:200]}"
