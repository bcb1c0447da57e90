"""The printed commands reach the same Temporal, and serve the same app from the same data directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.settings import Settings
from activities.shell_commands import opspawn_command
from activities.temporal.temporal_commands import setup_command, worker_command


def test_in_its_own_directory_a_worker_needs_only_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(app_dir=tmp_path / "app")

    assert worker_command(settings) == opspawn_command("worker", "--app-dir", "app")


def test_for_any_shell_the_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(app_dir=Path("app"), data_dir=Path("data"))

    options = ["--app-dir", str(tmp_path / "app"), "--data-dir", str(tmp_path / "data")]
    assert worker_command(settings, anywhere=True) == opspawn_command("worker", *options, anywhere=True)


def test_what_differs_from_the_defaults_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "shop")
    settings = Settings(app_dir=tmp_path, data_dir=tmp_path, task_queue="mine", relay_port=9, app_name="billing")

    here = worker_command(settings, "127.0.0.1:7000")
    elsewhere = worker_command(settings, "temporal.example:7233")

    variables = "TEMPORAL_NAMESPACE=shop OPSPAWN_APP_NAME=billing OPSPAWN_TASK_QUEUE=mine OPSPAWN_RELAY_PORT=9 "
    assert here.startswith(variables)
    assert here.endswith(f"--data-dir {tmp_path} --temporal-port 7000")
    assert elsewhere.startswith(f"TEMPORAL_ADDRESS=temporal.example:7233 {variables}")
    assert "--temporal-port" not in elsewhere


def test_the_search_attributes_are_registered_at_the_same_temporal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert setup_command("127.0.0.1:7233") == opspawn_command("setup")
    assert setup_command("127.0.0.1:7000") == f"TEMPORAL_ADDRESS=127.0.0.1:7000 {opspawn_command('setup')}"
