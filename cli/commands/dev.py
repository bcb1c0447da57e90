"""``opspawn dev``: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from activities.settings import Settings
from cli.dev.child_process import Guard
from cli.dev.data_dir_lock import DataDirLock
from cli.dev.dev_plan import export, make_plan
from cli.dev.log_view import LogView
from cli.dev.ports import any_free, is_free
from cli.dev.supervisor import Supervisor
from cli.errors import UsageWrong
from cli.views.console import out

__all__ = ["dev"]


def dev(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of the API. Default: 8000.")] = None,
    grpc_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Of the API, for gRPC; 0: none. Default: 50051, or a free one.")
    ] = None,
    temporal_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: 7233.")] = None,
    ui_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of Temporal's Web UI. Default: 8233.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where tasks are kept. Default: .opspawn")] = None,
    app_dir: Annotated[Path | None, typer.Option(help="Where agents/ and tools/ lie. Default: .")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many workers to start.")] = 1,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Start none: they run elsewhere.")] = False,
) -> None:
    """Start Temporal, a worker and the API on this machine, until Ctrl-C.

    A Temporal server that answers already is used, not started. Tasks survive a restart.
    """
    ports = {"port": port, "grpc_port": grpc_port, "temporal_port": temporal_port, "ui_port": ui_port}
    settings = _settings(app_dir, data_dir=data_dir, **ports)
    lock = DataDirLock(settings.data_dir)
    try:
        export(settings, temporal_port=temporal_port)
        asyncio.run(_dev(settings, 0 if no_worker else workers, lock))
    finally:
        lock.release()


def _settings(app_dir: Path | None, **options: object) -> Settings:
    """Return the settings with absolute paths, so that children read them alike."""
    settings = Settings.load(app_dir, **options)
    if not settings.app_dir.is_dir():
        raise UsageWrong(
            f"--app-dir {settings.app_dir}: no such directory. Make one with: opspawn init {settings.app_dir}"
        )
    written = settings.model_fields_set
    ui_url = settings.temporal_ui_url if "temporal_ui_url" in written else f"http://localhost:{settings.ui_port}"
    changed: dict[str, object] = {
        "app_dir": settings.app_dir.absolute(),
        "data_dir": settings.data_dir.absolute(),
        "temporal_ui_url": ui_url,
    }
    if "grpc_port" not in written and not is_free(settings.grpc_port, settings.host):
        changed["grpc_port"] = any_free(settings.host)
    return settings.model_copy(update=changed)


async def _dev(settings: Settings, workers: int, lock: DataDirLock) -> None:
    plan = await make_plan(settings, workers)
    stopping = asyncio.Event()
    guard = await Guard.start(lock.fd)
    try:
        await Supervisor(plan, LogView(out, stopping.set), guard, stopping).run()
    finally:
        await guard.close()
