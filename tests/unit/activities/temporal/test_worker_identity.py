"""A worker's identity tells its app from others, and its process from those that have ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from activities.settings import Settings
from activities.temporal.worker_identity import WorkerIdentity, app_id, own_identity, parse_identity


def test_two_directories_of_one_name_are_two_apps(tmp_path: Path) -> None:
    first, second = (app_id(Settings(app_dir=tmp_path / parent / "my app")) for parent in ("a", "b"))

    assert first != second
    assert first.startswith("my-app-")


def test_the_same_directory_is_the_same_app_by_whatever_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (tmp_path / "link").symlink_to(app)
    monkeypatch.chdir(app)

    assert len({app_id(Settings(app_dir=path)) for path in (app, tmp_path / "link", Path(), Path("../app"))}) == 1


def test_apps_of_one_name_setting_are_the_same_app(tmp_path: Path) -> None:
    assert {app_id(Settings(app_dir=tmp_path / name, app_name="billing")) for name in "ab"} == {"billing"}


def test_the_identity_is_read_back_from_what_temporal_shows(tmp_path: Path) -> None:
    settings = Settings(app_dir=tmp_path)
    identity = own_identity(settings)

    assert parse_identity(str(identity)) == identity
    assert (identity.pid, identity.app) == (os.getpid(), app_id(settings))
    assert str(identity).startswith(f"{os.getpid()}@")


@pytest.mark.parametrize("text", ["", "12@host", "/x", "x@host/y", "12@host/y z", "12@a/b/c d"])
def test_other_workers_have_no_identity_of_ours(text: str) -> None:
    assert parse_identity(text) is None


def test_a_process_of_this_machine_that_is_gone_has_ended() -> None:
    host = socket.gethostname()
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass

    assert WorkerIdentity(process.pid, host, "app").has_ended
    assert not WorkerIdentity(os.getpid(), host, "app").has_ended
    assert not WorkerIdentity(process.pid, f"not-{host}", "app").has_ended
