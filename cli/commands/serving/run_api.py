"""``opspawn api``: become an API process."""

from __future__ import annotations

import os

from activities.settings import inherited_environment
from cli.command_options import AppDir, DataDir, app_settings
from cli.dev.module_command import module_command

__all__ = ["api"]


def api(app_dir: AppDir = None, data_dir: DataDir = None) -> None:
    """Start an API process, without Temporal and workers, until Ctrl-C.

    Address and ports are those of the settings: `host`, `port`, `grpc_port`.
    """
    settings = app_settings(app_dir, data_dir=data_dir)
    command = module_command("api", "--app-dir", str(settings.app_dir), "--data-dir", str(settings.data_dir))
    os.execve(command[0], command, inherited_environment())
