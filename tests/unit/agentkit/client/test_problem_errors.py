"""HTTP error responses as exceptions."""

from __future__ import annotations

from typing import Any

import pytest
from httpx2 import Request, Response

from agentkit.client import ApiFailed, ApiUnreachable, ClientError, RequestRefused
from agentkit.client.problem_errors import error_from_response, unexpected_response


def response(status: int, body: object) -> Response:
    content: dict[str, Any] = {"text": body} if isinstance(body, str) else {"json": body}
    return Response(status, request=Request("GET", "http://127.0.0.1:8000/api/v1/tasks"), **content)


def problem(status: int, **fields: object) -> Response:
    return response(status, {"title": "Title", "status": status, **fields})


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, RequestRefused), (409, RequestRefused), (422, RequestRefused), (500, ApiFailed), (503, ApiUnreachable)],
)
def test_the_status_decides_the_class(status: int, kind: type[ClientError]) -> None:
    assert type(error_from_response(problem(status))) is kind


@pytest.mark.parametrize("status", [502, 503, 504])
def test_statuses_of_an_unavailable_server_are_temporary(status: int) -> None:
    error = error_from_response(problem(status))

    assert isinstance(error, ApiUnreachable)
    assert (error.temporary, error.status) == (True, status)


def test_unreadable_files_of_the_api_are_no_reason_to_try_again() -> None:
    kind = "urn:opspawn:problem:payload-unavailable"
    error = error_from_response(problem(503, type=kind, detail="/data is missing."))
    assert isinstance(error, ApiFailed)
    assert str(error) == "Title: /data is missing."


@pytest.mark.parametrize(("status", "kind"), [(502, "mcp-server-failed"), (504, "mcp-server-timed-out")])
def test_an_mcp_server_that_fails_is_not_an_api_that_is_away(status: int, kind: str) -> None:
    error = error_from_response(problem(status, type=f"urn:opspawn:problem:{kind}", detail="It crashed."))
    assert (type(error), str(error)) == (ApiFailed, "Title: It crashed.")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Title"),
        ({"detail": "max_steps: too small"}, "Title: max_steps: too small"),
        ({"detail": "x: wrong", "errors": [{"pointer": "/x", "detail": "x: wrong"}]}, "Title: x: wrong"),
        ({"detail": "d", "errors": [{"loc": ["body", "x"], "msg": "unknown"}]}, "Title: d\n  body.x: unknown"),
        ({"errors": [{"field": "x", "message": "m"}, "plain"]}, "Title\n  x: m\n  plain"),
    ],
    ids=["title", "detail", "error repeats detail", "one error", "several errors"],
)
def test_the_message_holds_title_detail_and_errors(fields: dict[str, object], message: str) -> None:
    assert str(error_from_response(problem(422, **fields))) == message


@pytest.mark.parametrize("body", ["<html>", ["a list"], {"error": "no title"}], ids=["html", "list", "no problem"])
def test_responses_of_other_servers_name_the_address(body: object) -> None:
    error = error_from_response(response(404, body))

    assert isinstance(error, ApiUnreachable)
    assert not error.temporary
    assert str(error).startswith("http://127.0.0.1:8000 responded 404 Not Found, but not as Opspawn's API does.")


def test_a_proxy_without_its_server_is_temporary() -> None:
    assert unexpected_response(response(502, "<html>Bad Gateway</html>")).temporary
