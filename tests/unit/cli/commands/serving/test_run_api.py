"""``opspawn api`` becomes an API process, with the settings of its options."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def test_it_becomes_the_api_which_refuses_the_network_without_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSPAWN_HOST", "0.0.0.0")
    command = [sys.executable, "-m", "opspawn", "api", "--app-dir", str(tmp_path)]

    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert result.returncode == 2
    assert "ERROR api.server: Setting host (OPSPAWN_HOST, --host) is 0.0.0.0" in result.stderr


def test_an_app_directory_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "opspawn", "api", "--app-dir", str(tmp_path / "none")]

    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert (result.returncode, "no such directory" in result.stderr) == (2, True)
