"""``opspawn doctor`` names what is missing, and its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.cli.dev_process import DevProcess
from tests.reserved_ports import refusing_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


def test_nothing_is_missing_while_everything_runs(running_dev: DevProcess) -> None:
    result = running_dev.opspawn("doctor")

    assert result.returncode == 0, result.stdout
    assert f"Temporal: responds at 127.0.0.1:{running_dev.temporal_port}" in result.stdout
    assert "Search attributes: registered" in result.stdout
    assert "Workers: 1 on task queue 'opspawn'" in result.stdout
    assert f"API: ready at {running_dev.url}" in result.stdout


def test_what_is_missing_is_named_with_its_remedy(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "typo.yaml").write_text("name: typo\nmodle: demo\n")
    (tmp_path / "file").touch()
    (tmp_path / "opspawn.toml").write_text('data_dir = "file/data"\n')

    with refusing_port() as api_port, refusing_port() as temporal_port:
        dev = DevProcess(tmp_path, api_port=api_port, temporal_port=temporal_port)
        result = dev.opspawn("doctor")

    assert result.returncode == 1
    assert "typo.yaml" in result.stdout
    assert "modle" in result.stdout
    assert "Data directory: " in result.stdout
    assert "can't be written" in result.stdout
    assert f"127.0.0.1:{temporal_port}" in result.stdout
    assert "→ opspawn dev" in result.stdout
    assert f"doesn't respond at {dev.url}" in result.stdout
