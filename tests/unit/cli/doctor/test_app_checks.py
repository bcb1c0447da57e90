"""What the doctor finds in an app directory, and about the models that its agents name."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.settings import Settings
from activities.shell_commands import opspawn_command
from cli.doctor.app_checks import app_findings, is_app_dir, load_app, model_findings
from cli.doctor.finding import Finding


async def models_of(settings: Settings, running_default: str | None) -> dict[str, Finding]:
    catalog = await load_app(settings)
    assert catalog is not None
    return {finding.subject: finding for finding in await model_findings(settings, catalog, running_default)}


@pytest.mark.parametrize("name", ["agents", "tools", "opspawn.toml"])
def test_a_directory_with_one_of_an_apps_files_is_one(tmp_path: Path, name: str) -> None:
    assert not is_app_dir(tmp_path)
    (tmp_path / name).touch()
    assert is_app_dir(tmp_path)


async def test_each_broken_file_is_a_finding(tmp_path: Path) -> None:
    for directory in ("agents", "tools"):
        (tmp_path / directory).mkdir()
    (tmp_path / "agents" / "typo.yaml").write_text("name: typo\nmodle: demo\n")
    (tmp_path / "tools" / "broken.py").write_text("import agentkit, (\n")
    settings = Settings(app_dir=tmp_path)

    found = app_findings(settings, await load_app(settings))

    assert [finding.status for finding in found] == ["missing", "missing"]
    assert any("broken.py:1: SyntaxError" in finding.detail for finding in found)
    assert any("modle" in finding.detail for finding in found)


async def test_a_missing_directory_has_the_command_that_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(app_dir=tmp_path / "my app")

    (found,) = app_findings(settings, await load_app(settings))

    assert (found.detail, found.remedies) == ("there is no my app", (opspawn_command("init", "my app"),))


async def test_the_models_of_the_agents_in_that_directory_are_asked_and_a_missing_key_names_its_variable(
    tmp_path: Path,
) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "poet.yaml").write_text("name: poet\nmodel: anthropic:claude-x\n")

    found = await models_of(Settings(app_dir=tmp_path), None)

    assert found["Model demo:demo"].status == "ok"
    claude = found["Model anthropic:claude-x"]
    assert (claude.status, claude.remedies) == ("missing", ("export ANTHROPIC_API_KEY=...",))


async def test_the_default_model_of_another_shell_is_not_asked_with_the_keys_of_this_one(tmp_path: Path) -> None:
    found = await models_of(Settings(app_dir=tmp_path), "openai:gpt-5-mini")

    assert list(found) == ["Model openai:gpt-5-mini"]
    running = found["Model openai:gpt-5-mini"]
    assert (running.status, running.remedies) == ("note", ("export OPENAI_API_KEY=...",))
    assert running.detail == "not asked: it is the running API's default, and this shell's is demo:demo"


async def test_a_model_that_an_agent_names_is_asked_whatever_the_default_is(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "poet.yaml").write_text("name: poet\nmodel: demo:demo\n")

    found = await models_of(Settings(app_dir=tmp_path), "openai:gpt-5-mini")

    assert {subject: finding.status for subject, finding in found.items()} == {
        "Model demo:demo": "ok",
        "Model openai:gpt-5-mini": "note",
    }
