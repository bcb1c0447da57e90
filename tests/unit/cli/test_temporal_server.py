"""The embedded Temporal server's executable and command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.settings import Settings
from cli.errors import UsageWrong
from cli.temporal_server import TemporalServer, find_temporal
from workflows.search_attributes import SEARCH_ATTRIBUTES


def test_a_configured_binary_wins(tmp_path: Path) -> None:
    binary = tmp_path / "temporal"
    binary.touch()
    binary.chmod(0o755)

    assert find_temporal(Settings(temporal_bin=binary)) == binary


def test_a_missing_configured_binary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageWrong, match=r"OPSPAWN_TEMPORAL_BIN=.*nowhere"):
        find_temporal(Settings(temporal_bin=tmp_path / "nowhere"))


def test_the_packaged_binary_is_found_without_settings() -> None:
    assert find_temporal(Settings()).name == "temporal"


def test_without_a_binary_one_line_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UsageWrong, match=r"^There is no temporal command .*embedded.* TEMPORAL_ADDRESS\.$"):
        find_temporal(Settings())


def test_the_command_holds_ports_database_and_every_search_attribute() -> None:
    server = TemporalServer(Path("temporal"), port=1, ui_port=2, database=Path("tasks.db"), namespace="mine")

    command = " ".join(server.command())

    assert command.startswith("temporal server start-dev --ip 127.0.0.1 --port 1 ")
    for option in ("--ui-port 2", "--db-filename tasks.db", "--sqlite-pragma journal_mode=WAL", "--namespace mine"):
        assert option in command
    assert command.count("--search-attribute ") == len(SEARCH_ATTRIBUTES)
    assert "--search-attribute OpspawnTags=KeywordList" in command
    assert "history.transferProcessorMaxPollRPS=2000" in command
    assert "system.forceSearchAttributesCacheRefreshOnRead=false" in command, "half of all reads and writes"


def test_in_memory_and_without_web_ui_is_the_default() -> None:
    command = TemporalServer(Path("temporal"), port=1).command()

    assert "--headless" in command
    assert not {"--db-filename", "--sqlite-pragma", "--ui-port", "--namespace"} & set(command)
