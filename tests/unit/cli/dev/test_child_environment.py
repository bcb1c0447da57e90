"""The environment of the processes that ``opspawn dev`` starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.settings import Settings
from cli.dev.child_environment import child_environment


def environment(settings: Settings) -> dict[str, str]:
    return child_environment(settings, temporal_address="127.0.0.1:7000", relay_port=7001)


def test_children_inherit_the_environment_and_read_the_same_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(app_dir=tmp_path, data_dir=tmp_path / "data", port=7002, grpc_port=7003, reload=True)
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-inherited")

    of_child = Settings.load()

    assert (of_child.app_dir, of_child.data_dir) == (tmp_path, tmp_path / "data")
    assert (of_child.port, of_child.grpc_port, of_child.relay_port) == (7002, 7003, 7001)
    assert of_child.reload
    assert environment(settings)["OPENAI_API_KEY"] == "sk-inherited"


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPSPAWN_PORT", "1")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")

    variables = environment(Settings(port=7002))

    assert (variables["OPSPAWN_PORT"], variables["TEMPORAL_ADDRESS"]) == ("7002", "127.0.0.1:7000")


def test_the_default_grpc_port_is_not_passed_on() -> None:
    assert "OPSPAWN_GRPC_PORT" not in environment(Settings())
