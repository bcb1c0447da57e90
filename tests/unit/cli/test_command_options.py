"""The options that commands share, and the exit codes of servers that are missing, unavailable or not Opspawn's."""

from __future__ import annotations

import sys

import pytest

from cli.command_options import Server, text_argument
from cli.errors import UsageWrong
from tests.reserved_ports import refusing_port
from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import ScriptedApi, ScriptedResponse, problem, task


def test_a_missing_server_exits_with_3_and_its_address(opspawn: Opspawn) -> None:
    with refusing_port() as port:
        url = f"http://127.0.0.1:{port}"

        result = opspawn("tasks", url=url)

    assert result.code == 3
    assert f"Can't reach the API at {url}" in result.err
    assert "opspawn dev" in result.err


def test_an_unavailable_server_exits_with_3(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks", problem(503, "Temporal unreachable", "127.0.0.1:7233 doesn't answer"))

    result = opspawn("tasks")

    assert (result.code, result.err) == (3, "Temporal unreachable: 127.0.0.1:7233 doesn't answer")


@pytest.mark.parametrize(
    "response",
    [
        ScriptedResponse(200, "<html>hello</html>", "text/html"),
        ScriptedResponse(200, ["not", "an", "object"]),
        ScriptedResponse(200, {"tasks": "many"}),
        ScriptedResponse(404, "<html>no</html>", "text/html"),
        ScriptedResponse(404, {"error": "no"}),
    ],
    ids=["a page", "a list", "another shape", "a page that isn't there", "another error"],
)
def test_another_server_at_the_address_exits_with_3(
    api: ScriptedApi, opspawn: Opspawn, response: ScriptedResponse
) -> None:
    api.on("GET", "/tasks", response)

    result = opspawn("tasks")

    assert result.code == 3
    assert "not as Opspawn's API does" in result.err


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://", "http://host:port"])
def test_an_invalid_address_exits_with_2(opspawn: Opspawn, url: str) -> None:
    result = opspawn("tasks", url=url)

    assert result.code == 2
    assert "expected an address such as http://127.0.0.1:8000" in result.err.replace("Expected", "expected")


def test_a_task_id_cannot_address_another_resource(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/..%2Fagents%3Fx", task())

    assert opspawn("show", "../agents?x", "--json").code == 0


def test_printed_commands_address_the_same_server() -> None:
    assert Server("http://api:1").command_line("show", "task-1").endswith("opspawn show task-1 --url http://api:1")
    assert Server(None).command_line("tasks").endswith("opspawn tasks")


def test_a_closed_stdin_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(UsageWrong, match="INPUT is empty: write one"):
        text_argument("-", "INPUT", "write one")


def test_the_key_of_the_environment_is_sent(
    api: ScriptedApi, opspawn: Opspawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.on("GET", "/tasks", {"tasks": [], "next_cursor": None, "total": 0})
    opspawn("tasks")
    assert "authorization" not in api.requests[-1].headers
    monkeypatch.setenv("OPSPAWN_API_KEY", "opspawn_12345678_secret\n")
    opspawn("tasks")
    assert api.requests[-1].headers["authorization"] == "Bearer opspawn_12345678_secret"


def test_without_a_key_the_variable_is_named(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks", problem(401, "No valid key or token", "Send an API key.", kind="not-authenticated"))
    result = opspawn("tasks")
    assert result.code == 2
    assert result.err.endswith("Set OPSPAWN_API_KEY to a key that the API knows.")
