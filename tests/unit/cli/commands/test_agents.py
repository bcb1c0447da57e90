"""``opspawn agents`` against a scripted API."""

from __future__ import annotations

from activities.shell_commands import opspawn_command
from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import ScriptedApi


def test_agents_are_listed_with_the_problems_of_their_files(api: ScriptedApi, opspawn: Opspawn) -> None:
    agents = [
        {"name": "assistant", "description": "Does sums.", "models": ["demo:demo"], "tools": ["calculator"]},
        {"name": "broken", "models": ["openai:x"], "problem": "needs a key"},
    ]
    api.on("GET", "/agents", {"agents": agents, "problems": ["agents/bad.yaml: unknown key"]})

    result = opspawn("agents")

    assert "agents/bad.yaml: unknown key" in result.err
    lines = result.out.splitlines()
    assert lines[1].split() == ["assistant", "demo:demo", "calculator", "Does", "sums."]
    assert "can't be used: needs a key" in lines[2]


def test_without_agents_it_prints_how_to_make_one(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/agents", {"agents": [], "problems": []})

    assert f"`{opspawn_command('init', 'my-app')}`" in opspawn("agents").out
