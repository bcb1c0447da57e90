"""The doctor's findings for an installation where nothing runs, and where other servers do."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from activities.settings import Settings
from activities.shell_commands import opspawn_command
from cli.dev.data_dir_lock import DataDirLock
from cli.doctor.doctor_checks import run_checks
from cli.doctor.finding import Finding, exit_code
from tests.reserved_ports import refusing_port, reserve_port
from tests.unit.scripted_api import ScriptedApi, ScriptedResponse


async def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.subject: finding for finding in (await run_checks(settings)).findings}


async def test_without_servers_each_missing_one_is_unreachable_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPSPAWN_PROT", "1")
    with refusing_port() as temporal_port, refusing_port() as api_port:
        settings = Settings(
            app_dir=tmp_path,
            data_dir=tmp_path / "new" / "data",
            temporal_port=temporal_port,
            url=f"http://127.0.0.1:{api_port}",
            port=reserve_port(),
        )
        found = await findings(settings)

    statuses = {subject: finding.status for subject, finding in found.items()}
    assert statuses == {
        "Python": "ok",
        "temporal command": "ok",
        "Data directory": "ok",
        "Variables": "note",
        "App directory": "ok",
        "Memory": "ok",
        "Model demo:demo": "ok",
        "Temporal": "unreachable",
        "API": "unreachable",
        "Ports": "ok",
    }
    assert exit_code(found.values()) == 3
    assert f"127.0.0.1:{temporal_port}" in found["Temporal"].detail
    assert f"`{opspawn_command('dev')}`" in found["Temporal"].detail
    assert "TEMPORAL_ADDRESS" in found["Temporal"].detail
    assert found["API"].remedies[0].startswith(opspawn_command("dev", "--port"))
    assert "Did you mean OPSPAWN_PORT?" in found["Variables"].detail


async def test_secrets_are_looked_for_in_this_shell_when_no_worker_responds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCK_TOKEN", "s3cr3t7")
    (tmp_path / "opspawn.toml").write_text(
        '[secrets]\nstock = {env = "STOCK_TOKEN"}\nshop = {file = "none"}\n', encoding="utf-8"
    )
    with refusing_port() as temporal_port, refusing_port() as api_port:
        options = {"temporal_port": temporal_port, "url": f"http://127.0.0.1:{api_port}", "port": reserve_port()}
        checkup = await run_checks(Settings.load(tmp_path, **options))

    secrets = [finding for finding in checkup.findings if finding.subject == "Secrets"]
    assert [finding.status for finding in secrets] == ["missing", "missing"]
    assert "'stock' (variable STOCK_TOKEN) has 7 characters" in secrets[0].detail
    assert "none can't be read by the worker" in secrets[1].detail
    assert "s3cr3t7" not in str(checkup.findings)


async def test_no_temporal_command_is_needed_where_an_address_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"  # there is no temporal beside it
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with refusing_port() as temporal_port, refusing_port() as api_port:
        settings = Settings(app_dir=tmp_path, url=f"http://127.0.0.1:{api_port}")
        monkeypatch.setattr("sys.executable", str(python))
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{temporal_port}")
        found = await findings(settings)

    assert found["temporal command"].status == "note"


async def test_other_servers_and_wrong_directories_are_recognized(tmp_path: Path, api: ScriptedApi) -> None:
    (tmp_path / "file").touch()
    api.on("GET", "/agents", ScriptedResponse(200, "<html>hello</html>", "text/html"))
    with socket.create_server(("127.0.0.1", reserve_port())) as other, refusing_port() as port:
        settings = Settings(
            app_dir=tmp_path / "none",
            data_dir=tmp_path / "file" / "data",
            temporal_bin=tmp_path / "none",
            temporal_port=other.getsockname()[1],
            url=api.url,
            port=port,
        )
        found = await findings(settings)

    assert found["temporal command"].remedies == ("unset OPSPAWN_TEMPORAL_BIN",)
    assert f"{tmp_path / 'file'} is a file" in found["Data directory"].detail
    assert found["Data directory"].remedies == ('export OPSPAWN_DATA_DIR="$HOME/.opspawn"',)
    assert found["App directory"].remedies == (opspawn_command("init", str(tmp_path / "none")),)
    assert "isn't Temporal" in found["Temporal"].detail
    assert found["API"].status == "unreachable"
    assert found["Ports"].detail == f"{port} (API) is in use by something that isn't Opspawn"


async def test_the_opspawn_dev_that_runs_on_the_data_directory_is_asked_whatever_its_port(
    tmp_path: Path, api: ScriptedApi
) -> None:
    app = tmp_path / "app"
    app.mkdir()
    system = {"app": "a", "app_dir": str(app), "task_queue": "q", "temporal": "127.0.0.1:1"}
    api.on("GET", "/readyz", {"status": "ok"}, prefix="")
    api.on("GET", "/agents", {"agents": []})
    api.on("GET", "/system", system)
    lock = DataDirLock(tmp_path / "data")
    lock.record_url(api.url)

    found = await findings(Settings(app_dir=app, data_dir=tmp_path / "data"))
    lock.release()

    assert found["API"].detail == f"ready at {api.url}"
    assert "127.0.0.1:1" in found["Temporal"].detail  # the address that the API uses


async def test_without_an_app_directory_of_its_own_a_shell_checks_the_running_one(
    tmp_path: Path, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    system = {"app": "a", "app_dir": str(tmp_path / "app"), "task_queue": "q", "temporal": "127.0.0.1:1"}
    api.on("GET", "/readyz", {"status": "ok"}, prefix="")
    api.on("GET", "/agents", {"agents": []})
    api.on("GET", "/system", system)

    assert (await findings(Settings(url=api.url)))["App directory"].detail == str(tmp_path / "app")
    (tmp_path / "empty" / "tools").mkdir()
    assert (await findings(Settings(url=api.url)))["App directory"].detail == str(tmp_path / "empty")
