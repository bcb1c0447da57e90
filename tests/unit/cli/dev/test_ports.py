"""Free and occupied ports."""

from __future__ import annotations

import socket

import pytest

from cli.dev.ports import accepts_connections, free_port, is_free, next_free_port, require_free
from cli.errors import UsageWrong
from tests.reserved_ports import refusing_port, reserve_port


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert not is_free(port)
        assert accepts_connections("127.0.0.1", port)
        with pytest.raises(UsageWrong, match=rf"Port {port} \(API\) is in use.*--port"):
            require_free(port, "--port", "API")


def test_a_port_that_was_closed_is_free_again() -> None:
    port = reserve_port()
    with socket.create_server(("127.0.0.1", port)):
        socket.create_connection(("127.0.0.1", port)).close()

    assert is_free(port)
    assert not accepts_connections("127.0.0.1", port)


def test_a_bound_port_accepts_no_connections_and_is_not_chosen() -> None:
    with refusing_port() as port:
        assert not is_free(port)
        assert not accepts_connections("127.0.0.1", port)
        assert free_port() != port


def test_the_next_free_port_is_neither_in_use_nor_reserved() -> None:
    with socket.create_server(("127.0.0.1", reserve_port())) as server:
        used = server.getsockname()[1]
        first = next_free_port(used - 1)

        assert first > used
        assert is_free(first)
        assert next_free_port(used - 1, reserved={first}) > first
