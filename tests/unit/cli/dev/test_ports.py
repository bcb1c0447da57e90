"""Whether a port is free."""

from __future__ import annotations

import socket

import pytest

from cli.dev.ports import answers, is_free, require_free
from cli.errors import UsageWrong


def test_a_port_that_is_listened_on_is_not_free_and_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert not is_free(port)
        assert answers("127.0.0.1", port)
        with pytest.raises(UsageWrong, match=rf"Port {port} \(API\) is in use.*--port"):
            require_free(port, "--port", "API")


def test_a_port_that_was_closed_is_free_and_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()

    assert is_free(port)
    assert not answers("127.0.0.1", port)
