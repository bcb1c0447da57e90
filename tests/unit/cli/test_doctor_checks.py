"""The doctor's findings for an installation where nothing runs, and where other servers do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from activities.settings import Settings
from activities.shell_commands import opspawn_command
from cli.doctor_checks import Finding, run_checks
from tests.reserved_ports import refusing_port, reserve_port
from tests.unit.scripted_api import ScriptedApi


async def findings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    # The models are checked by a child process, which reads the environment.
    monkeypatch.setenv("OPSPAWN_APP_DIR", str(settings.app_dir))
    return {finding.subject: finding for finding in await run_checks(settings)}


async def test_without_servers_each_missing_one_has_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing_port() as temporal_port, refusing_port() as api_port:
        settings = Settings(
            app_dir=tmp_path,
            data_dir=tmp_path / "new" / "data",
            temporal_port=temporal_port,
            url=f"http://127.0.0.1:{api_port}",
            port=reserve_port(),
        )
        found = await findings(settings, monkeypatch)

    statuses = {subject: finding.status for subject, finding in found.items()}
    assert statuses == {
        "Python": "ok",
        "temporal command": "ok",
        "Data directory": "ok",
        "App directory": "ok",
        "Model demo:demo": "ok",
        "Temporal": "missing",
        "API": "missing",
        "Ports": "ok",
    }
    assert f"127.0.0.1:{temporal_port}" in found["Temporal"].detail
    assert found["API"].remedy == f"{opspawn_command('dev')}, or set OPSPAWN_URL"


async def test_other_servers_and_wrong_directories_are_recognized(
    tmp_path: Path, api: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", reserve_port())) as other, refusing_port() as port:
        settings = Settings(
            app_dir=tmp_path / "none",
            data_dir=tmp_path / "file" / "data",
            temporal_bin=tmp_path / "none",
            temporal_port=other.getsockname()[1],
            url=api.url,
            port=port,
        )
        found = await findings(settings, monkeypatch)

    assert found["temporal command"].status == "missing"
    assert "can't be written" in found["Data directory"].detail
    assert found["App directory"].remedy == opspawn_command("init", str(tmp_path / "none"))
    assert "isn't Temporal" in found["Temporal"].detail
    assert "isn't ready: 404" in found["API"].detail
    assert found["Ports"].detail == f"{port} (API) is in use"
