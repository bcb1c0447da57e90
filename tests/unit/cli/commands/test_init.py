"""``opspawn init`` writes what a directory lacks of the packaged template."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from activities.settings import Settings
from agentkit.catalog.catalog import load_catalog
from cli.errors import UsageWrong
from cli.main import build_command_line


def init(directory: Path) -> str:
    line = ["init", str(directory)]
    result = CliRunner().invoke(build_command_line(line), line, catch_exceptions=False)
    return result.stdout


def test_a_new_directory_holds_an_agent_and_ignores_what_opspawn_stores(tmp_path: Path) -> None:
    app = tmp_path / "new" / "app"

    output = init(app)

    assert list((app / "agents").glob("*.yaml"))
    assert {".opspawn/", ".venv/", ".env", "__pycache__/"} <= set((app / ".gitignore").read_text().splitlines())
    assert output.splitlines()[-1].endswith(f"opspawn dev --app-dir {app}")


def test_existing_files_are_kept_and_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / ".gitignore").write_text("*.log\n")

    output = init(tmp_path)

    assert "Kept as it was: .gitignore, README.md\n" in output
    assert f"Add .opspawn/ to {tmp_path / '.gitignore'}" in output
    assert ((tmp_path / "README.md").read_text(), (tmp_path / ".gitignore").read_text()) == ("mine", "*.log\n")
    assert load_catalog(Settings(app_dir=tmp_path)).problems == []


def test_a_second_time_nothing_is_written(tmp_path: Path) -> None:
    init(tmp_path)
    agent = next((tmp_path / "agents").glob("*.yaml"))
    agent.write_text("mine")

    output = init(tmp_path)

    assert "Wrote" not in output
    assert "Add .opspawn/" not in output
    assert agent.read_text() == "mine"


def test_an_agent_whose_tool_is_missing_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "example.py").write_text("# of the project\n")

    init(tmp_path)

    assert not (tmp_path / "agents" / "assistant.yaml").exists()
    assert load_catalog(Settings(app_dir=tmp_path)).problems == []


def test_tool_files_that_will_be_imported_are_told(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "release.py").write_text("raise SystemExit\n")

    output = init(tmp_path)

    assert f"Every file {tmp_path}/tools/*.py is imported" in output
    assert f"opspawn init {tmp_path}/my-app" in output


def test_in_the_directory_itself_the_next_command_needs_no_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert init(Path()).splitlines()[-1].endswith("opspawn dev")


def test_a_file_is_refused_as_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageWrong, match="is a file"):
        init(tmp_path / "file")
