"""Whether a port of this machine is free."""

from __future__ import annotations

import socket

from cli.errors import UsageWrong

__all__ = ["answers", "any_free", "is_free", "require_free"]


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether something could listen on the port now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # As servers do: a port whose last connections still wind down is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def any_free(host: str = "127.0.0.1") -> int:
    """Return a port that is free now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def answers(host: str, port: int, *, seconds: float = 1.0) -> bool:
    """Return whether something accepts connections there."""
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except OSError:
        return False
    return True


def require_free(port: int, option: str, what: str, host: str = "127.0.0.1") -> None:
    """Check that a server can be started on a port.

    Raises:
        UsageWrong: something else has it; the message names the port and the option.
    """
    if not is_free(port, host):
        raise UsageWrong(f"Port {port} ({what}) is in use. Stop what listens there, or take another with {option}.")
