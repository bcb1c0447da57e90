from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agentkit.config.extra_packages import install_command, missing_packages


def test_a_missing_package_is_named_with_the_command_that_installs_its_extra() -> None:
    missing = missing_packages("The model x", "memory", "json", "no_such_package")
    assert missing is not None
    assert missing.startswith("The model x needs packages that aren't installed here (no_such_package): ")
    assert missing.endswith("EXTRAS=memory")


def test_installed_packages_are_not_imported() -> None:
    sys.modules.pop("antigravity", None)
    assert missing_packages("The model x", "memory", "antigravity", "json") is None
    assert "antigravity" not in sys.modules


def test_the_command_is_make_in_a_checkout_and_pip_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert install_command("memory", tmp_path) == f"{sys.executable} -m pip install 'opspawn[memory]'"
    (tmp_path / "Makefile").touch()
    assert install_command("memory", tmp_path) == f"make -C {tmp_path} install EXTRAS=memory"
    monkeypatch.chdir(tmp_path)
    assert install_command("memory", tmp_path) == "make install EXTRAS=memory"
