"""``opspawn init`` writes the packaged template, and overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.errors import UsageWrong
from cli.main import build


def init(directory: Path) -> str:
    line = ["init", str(directory)]
    result = CliRunner().invoke(build(line), line, catch_exceptions=False)
    return result.stdout


def test_a_new_directory_holds_an_agent(tmp_path: Path) -> None:
    output = init(tmp_path / "new" / "app")

    assert list((tmp_path / "new" / "app" / "agents").glob("*.yaml"))
    assert f"opspawn dev --app-dir {tmp_path / 'new' / 'app'}" in output


def test_existing_files_are_never_overwritten(tmp_path: Path) -> None:
    init(tmp_path)
    agent = next((tmp_path / "agents").glob("*.yaml"))
    agent.write_text("mine")

    with pytest.raises(UsageWrong, match=f"already holds .*{agent.name}.*Nothing was written"):
        init(tmp_path)

    assert agent.read_text() == "mine"


def test_a_file_is_refused_as_the_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UsageWrong, match="is a file"):
        init(tmp_path / "file")
