from __future__ import annotations

import http.client

import httpx2
import pytest

from agentkit.tools.connection_errors import is_connection_error


def error_after(cause: BaseException, *, explicit: bool) -> BaseException:
    """Return an error that was raised while ``cause`` was handled."""
    try:
        try:
            raise cause
        except OSError as caught:
            if explicit:
                raise ValueError("bank") from caught
            raise ValueError("bank")  # noqa: B904  implicit on purpose
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ConnectionResetError("reset"), id="reset"),
        pytest.param(TimeoutError("no answer"), id="timeout"),
        pytest.param(BrokenPipeError("pipe"), id="pipe"),
        pytest.param(httpx2.ReadTimeout("slow"), id="HTTP timeout"),
        pytest.param(httpx2.RemoteProtocolError("server disconnected"), id="HTTP disconnection"),
        pytest.param(http.client.IncompleteRead(b""), id="incomplete read"),
        pytest.param(error_after(ConnectionRefusedError("x"), explicit=True), id="raised from one"),
        pytest.param(error_after(TimeoutError("x"), explicit=False), id="raised while handling one"),
    ],
)
def test_lost_connections_and_timeouts_are_recognized_also_behind_other_errors(error: BaseException) -> None:
    assert is_connection_error(error)


def http_error(status: int) -> BaseException:
    request = httpx2.Request("GET", "http://bank.test")
    return httpx2.HTTPStatusError(str(status), request=request, response=httpx2.Response(status))


def hidden() -> BaseException:
    try:
        try:
            raise ConnectionResetError("reset")
        except ConnectionResetError:
            raise ValueError("declined") from None
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError("declined"), id="a plain error"),
        pytest.param(FileNotFoundError("no file"), id="a file"),
        pytest.param(http_error(402), id="a status"),
        pytest.param(hidden(), id="from None"),
    ],
)
def test_other_errors_are_the_tools_own(error: BaseException) -> None:
    assert not is_connection_error(error)


def test_errors_that_lead_to_each_other_end_the_search() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert not is_connection_error(first)
