"""``opspawn doctor``: what is missing, and what mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.cli.dev_process import Dev

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


def test_nothing_is_missing_where_everything_runs(running_dev: Dev) -> None:
    ended = running_dev.opspawn("doctor")

    assert ended.returncode == 0, ended.stdout
    assert f"Temporal: answers at 127.0.0.1:{running_dev.ports[1]}" in ended.stdout
    assert "Search attributes: registered" in ended.stdout
    assert "Workers: 1 on task queue 'opspawn'" in ended.stdout
    assert f"API: ready at {running_dev.url}" in ended.stdout


def test_setup_finds_nothing_to_do_there(running_dev: Dev) -> None:
    ended = running_dev.opspawn("setup")

    assert (ended.returncode, ended.stdout) == (0, "All search attributes are registered.\n")


def test_what_is_missing_is_told_with_what_mends_it(tmp_path: Path) -> None:
    nothing = Dev(tmp_path)
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "typo.yaml").write_text("name: typo\nmodle: demo\n")
    (tmp_path / "file").touch()
    (tmp_path / "opspawn.toml").write_text('data_dir = "file/data"\n')

    ended = nothing.opspawn("doctor")

    assert ended.returncode == 1
    assert "typo.yaml" in ended.stdout
    assert "modle" in ended.stdout
    assert "Data directory: " in ended.stdout
    assert "can't be written" in ended.stdout
    assert f"127.0.0.1:{nothing.ports[1]}" in ended.stdout
    assert "→ opspawn dev" in ended.stdout
    assert f"doesn't answer at {nothing.url}" in ended.stdout


def test_setup_without_temporal_is_exit_code_3(tmp_path: Path) -> None:
    ended = Dev(tmp_path).opspawn("setup")

    assert ended.returncode == 3
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
