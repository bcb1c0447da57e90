"""``opspawn dev``: run Temporal, workers and the API on this machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from activities.settings import Settings, check_exposure
from cli.command_options import AppDir, DataDir, app_settings
from cli.dev.attribute_registration import registering_search_attributes
from cli.dev.child_process import ProcessGuard
from cli.dev.data_dir_lock import DataDirLock
from cli.dev.dev_plan import make_plan, with_free_grpc_port
from cli.dev.log_view import LogView
from cli.dev.supervisor import Supervisor
from cli.dev.task_versions import serving_tasks_of_all_versions
from cli.views.console import out
from cli.views.notices import write_variable_warnings

__all__ = ["dev"]


def dev(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of the API. Default: 8000.")] = None,
    grpc_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Of the API, for gRPC; 0: none. Default: 50051, or a free one.")
    ] = None,
    temporal_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: 7233.")] = None,
    ui_port: Annotated[int | None, typer.Option(min=1, max=65535, help="Of Temporal's Web UI. Default: 8233.")] = None,
    data_dir: DataDir = None,
    app_dir: AppDir = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many workers to start.")] = 1,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Start no worker: they run elsewhere.")] = False,
    no_reload: Annotated[bool, typer.Option("--no-reload", help="Don't load changed tool files again.")] = False,
) -> None:
    """Start Temporal, a worker and the API on this machine, until Ctrl-C.

    A Temporal server that runs already is used, not started. Tasks survive a restart. Changed tools and agents are live
    within seconds.
    """
    write_variable_warnings()
    ports = {"port": port, "grpc_port": grpc_port, "temporal_port": temporal_port, "ui_port": ui_port}
    settings = _settings(app_dir, data_dir=data_dir, reload=False if no_reload else None, **ports)
    lock = DataDirLock(settings.data_dir)
    try:
        asyncio.run(_run(settings, 0 if no_worker else workers, temporal_port, lock))
    finally:
        lock.release()


def _settings(app_dir: Path | None, **options: object) -> Settings:
    settings = app_settings(app_dir, **options)
    check_exposure(settings)
    if "temporal_ui_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"temporal_ui_url": f"http://localhost:{settings.ui_port}"})
    if "reload" not in settings.model_fields_set:
        settings = settings.model_copy(update={"reload": True})
    return with_free_grpc_port(settings)


async def _run(settings: Settings, workers: int, temporal_port: int | None, lock: DataDirLock) -> None:
    plan = await make_plan(settings, workers, temporal_port=temporal_port)
    lock.record_url(plan.api_url)
    stopping = asyncio.Event()
    guard = await ProcessGuard.start(lock.fd)
    try:
        view = LogView(out, stopping.set)
        async with (
            registering_search_attributes(settings, plan, view),
            serving_tasks_of_all_versions(settings, plan, view),
        ):
            await Supervisor(plan, view, guard, stopping).run()
        if view.failure is not None:
            raise view.failure
    finally:
        await guard.close()
