"""``opspawn mcp`` with real MCP servers over stdio, and what it does where one can't be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.cli.mcp_app import recorded, run, write_servers


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return write_servers(tmp_path)


def test_the_servers_are_listed_and_what_is_wrong_with_each(app: Path) -> None:
    listed = json.loads(run(app, "list", "--json").stdout)["servers"]
    assert {entry["name"]: entry["problem"] and entry["problem"]["kind"] for entry in listed} == {
        **{"time": None, "chatty": None, "modern": None, "off": None},
        **{"crash": "crashed", "gone": "command_not_found", "hang": "timed_out"},
    }
    assert {entry["name"]: entry["tools"] for entry in listed if entry["tools"]} == {
        "time": 2,
        "chatty": 3,
        "modern": 3,
    }
    (crash,) = (entry["problem"]["message"] for entry in listed if entry["name"] == "crash")
    assert "No module named x" in crash


def test_a_servers_tools_are_listed_with_their_effects(app: Path) -> None:
    shown = run(app, "tools", "chatty").stdout.splitlines()
    assert [line.split()[:2] for line in shown[1:]] == [
        ["delete_everything", "irreversible"],
        ["work", "pure"],
        ["greet", "pure"],
    ]
    tools = json.loads(run(app, "tools", "time", "--json").stdout)["tools"]
    assert tools[0]["input_schema"]["required"] == ["timezone"]


def test_a_call_prints_the_result(app: Path) -> None:
    arguments = '{"timezone": "Europe/Berlin"}'
    result = run(app, "call", "time", "get_current_time", "-", stdin=arguments)
    assert (result.returncode, json.loads(result.stdout)["timezone"]) == (0, "Europe/Berlin")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("call", "time", "get_current_time", '{"timezone": "Nowhere"}'), 1, "Nowhere"),
        (("call", "crash", "any"), 1, "No module named x"),
        (("call", "time", "get_current_tim"), 2, "Did you mean 'get_current_time'?"),
        (("call", "tim", "any"), 2, "Did you mean 'time'?"),
        (("call", "off", "any"), 2, "disabled"),
        (("call", "time", "get_current_time", "[]"), 2, "expected a JSON object"),
        (("call", "chatty", "delete_everything", '{"place": "x"}'), 2, "--yes"),
        (("list", "--app-dir", "/"), 2, "There is no /mcp.json"),
    ],
    ids=["tool", "server", "unknown tool", "unknown server", "disabled", "arguments", "irreversible", "no file"],
)
def test_a_failure_is_one_message_and_an_exit_code(
    app: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = run(app, *arguments)
    assert (result.returncode, result.stdout) == (code, "")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert recorded(app) == []
