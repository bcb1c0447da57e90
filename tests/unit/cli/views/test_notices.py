"""What people read first: the demo model, a missing worker, misspelt variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.shell_commands import opspawn_command
from agentkit.client import SystemInfo
from cli.views.notices import demo_notice, dev_command, worker_notice, write_variable_warnings


def system(**fields: object) -> SystemInfo:
    return SystemInfo.from_json({"task_queue": "mine", "temporal": "127.0.0.1:7233", **fields})  # type: ignore[dict-item]  # JSON


def test_the_demo_notice_has_what_it_can_do_and_two_lines_to_copy_that_bring_a_real_model() -> None:
    lines = demo_notice("opspawn dev --port 8001").splitlines()

    assert "demo model" in lines[0]
    assert "  say Hello" in lines
    assert '  call calculator {"expression": "6*7"}' in lines
    key = lines.index("  export OPENAI_API_KEY=...")
    assert lines[key + 1] == "  opspawn dev --port 8001"
    assert lines[-1] == "  export AGENTKIT_LLM_PROVIDER=local"


def test_dev_is_started_again_for_the_app_of_the_running_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert dev_command(system(app_dir=str(tmp_path / "my app"))) == opspawn_command("dev", "--app-dir", "my app")
    assert dev_command(system(app_dir=str(tmp_path))) == dev_command(None) == opspawn_command("dev")


def test_a_missing_worker_is_started_by_the_command_of_the_api() -> None:
    command = "/venv/bin/opspawn worker --app-dir /srv/app"

    assert worker_notice(system(worker_command=command)) == (
        f"No worker polls task queue 'mine', so the task waits. Start one: `{command}`"
    )


def test_each_unknown_variable_is_a_line_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPSPAWN_PROT", "1")
    monkeypatch.setenv("OPSPAWN_APPDIR", "1")

    write_variable_warnings()

    assert capsys.readouterr() == (
        "",
        "Unknown variable OPSPAWN_APPDIR is ignored. Did you mean OPSPAWN_APP_DIR?\n"
        "Unknown variable OPSPAWN_PROT is ignored. Did you mean OPSPAWN_PORT?\n",
    )
