"""Addresses, and servers that aren't there, aren't ready, or aren't Opspawn."""

from __future__ import annotations

import socket

import pytest

from tests.unit.cli.conftest import Opspawn
from tests.unit.cli.scripted_api import Answered, ScriptedApi, problem, task


def test_nothing_at_the_address_is_exit_code_3_and_names_it(opspawn: Opspawn) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

        ended = opspawn("tasks", url=url)

    assert ended.code == 3
    assert f"Can't reach the API at {url}" in ended.err
    assert "opspawn dev" in ended.err


def test_a_server_that_cannot_serve_now_is_exit_code_3(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks", problem(503, "Temporal unreachable", "127.0.0.1:7233 doesn't answer"))

    ended = opspawn("tasks")

    assert (ended.code, ended.err) == (3, "Temporal unreachable: 127.0.0.1:7233 doesn't answer")


@pytest.mark.parametrize(
    "answer",
    [
        Answered(200, "<html>hello</html>", "text/html"),
        Answered(200, ["not", "an", "object"]),
        Answered(200, {"tasks": "many"}),
        Answered(404, "<html>no</html>", "text/html"),
        Answered(404, {"error": "no"}),
    ],
    ids=["a page", "a list", "another shape", "a page that isn't there", "another error"],
)
def test_a_stranger_at_the_address_is_exit_code_3(api: ScriptedApi, opspawn: Opspawn, answer: Answered) -> None:
    api.on("GET", "/tasks", answer)

    ended = opspawn("tasks")

    assert ended.code == 3
    assert "not as Opspawn's API does" in ended.err


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://", "http://host:port"])
def test_what_is_no_address_is_exit_code_2(opspawn: Opspawn, url: str) -> None:
    ended = opspawn("tasks", url=url)

    assert ended.code == 2
    assert "expected an address such as http://127.0.0.1:8000" in ended.err.replace("Expected", "expected")


def test_an_id_cannot_address_anything_else(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/tasks/..%2Fagents%3Fx", task())

    assert opspawn("show", "../agents?x", "--json").code == 0
