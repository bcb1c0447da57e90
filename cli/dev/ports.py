"""Free and occupied ports of this machine."""

from __future__ import annotations

import socket
from collections.abc import Collection

from cli.errors import UsageWrong

__all__ = ["accepts_connections", "free_port", "is_free", "next_free_port", "require_free"]


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do: a port whose last connections are in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that is free now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def next_free_port(port: int, host: str = "127.0.0.1", *, reserved: Collection[int] = ()) -> int:
    """Return the first port after ``port`` that is free now and not reserved; if a hundred are in use, any free one."""
    ports = [candidate for candidate in range(port + 1, min(port + 101, 65536)) if candidate not in reserved]
    return next((candidate for candidate in ports if is_free(candidate, host)), None) or free_port(host)


def accepts_connections(host: str, port: int, *, timeout_s: float = 1.0) -> bool:
    """Return whether a server accepts connections at this address."""
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError:
        return False
    return True


def require_free(port: int, option: str, server: str, host: str = "127.0.0.1") -> None:
    """Check that a server can be started on a port.

    Raises:
        UsageWrong: the port is in use; the message names it and the option.
    """
    if not is_free(port, host):
        raise UsageWrong(f"Port {port} ({server}) is in use. Stop what listens there, or use another with {option}.")
