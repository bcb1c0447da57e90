"""Look up the addresses of hosts in threads of its own: a name server that hangs holds up look-ups alone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from agentkit.errors import ToolError, ToolUnavailable

__all__ = ["SystemResolver"]

_MAX_THREADS = 16


class SystemResolver:
    """Resolves names as the system does."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="lookup")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return a host's addresses.

        Raises:
            ToolError: there is no such host.
            ToolUnavailable: the name servers don't respond.
        """
        try:
            entries = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise ToolUnavailable(f"The name {host!r} can't be resolved at the moment.") from error
            raise ToolError(f"There is no host {host!r}. Check the address.") from error
        except UnicodeError as error:
            raise ToolError(f"{host!r} can't be the name of a host. Check the address.") from error
        return entries


def _look_up(host: str, port: int) -> Sequence[str]:
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))
