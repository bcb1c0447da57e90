"""Serve the front end: one process, a port for HTTP and one for gRPC, a prompt and clean end."""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import socket
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from activities.settings import Settings
from agentkit.catalog.catalog import load_catalog
from agentkit.errors import ConfigurationInvalid
from api.app import create_app
from api.grpc.grpc_server import RpcServer
from api.state import state_in

__all__ = ["main", "serve"]

_log = logging.getLogger(__name__)
_GRACE = 3
"""Seconds that requests in flight get to finish."""
_BACKLOG = 2048


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit code: 0, or 2 when it can't start as asked."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    options = _options().parse_args(arguments)
    try:
        settings = Settings.load(
            options.app_dir, **{key: value for key, value in vars(options).items() if key != "app_dir"}
        )
    except ConfigurationInvalid as error:
        _log.error("%s", error)
        return 2
    return serve(settings)


def serve(settings: Settings) -> int:
    """Serve until a signal; return the exit code."""
    try:
        listener = _listen(settings.host, settings.port)
        grpc_port = _grpc_port(settings)
        catalog = load_catalog(settings)
    except (ConfigurationInvalid, _CannotListen) as error:
        _log.error("%s", error)
        return 2
    stopping = asyncio.Event()
    app = create_app(settings, catalog, stopping=stopping, relay=True)
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE)
    host, port = listener.getsockname()[:2]
    _log.info("API on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    with listener:
        _Server(config, app, settings, grpc_port, stopping).run(sockets=[listener])
    return 0


class _CannotListen(Exception):
    """The address can't be bound; the message says which, and what to do."""


class _Server(uvicorn.Server):
    """Ends with 0 on a signal, and lets those who wait go first."""

    def __init__(
        self, config: uvicorn.Config, app: FastAPI, settings: Settings, grpc_port: int, stopping: asyncio.Event
    ) -> None:
        super().__init__(config)
        self._app = app
        self._settings = settings
        self._grpc_port = grpc_port
        self._stopping = stopping
        self._rpc: RpcServer | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at the second signal don't wait for requests. Uvicorn's own would raise the signal again at the end."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve HTTP, and then gRPC on the same parts."""
        await super().startup(sockets)
        if self._grpc_port:
            self._rpc = RpcServer(state_in(self._app), largest_request=self._settings.max_input_bytes)
            try:
                await self._rpc.start(self._settings.host, self._grpc_port)
            except RuntimeError:  # somebody took the port since it was looked at
                _log.warning("Port %d (gRPC) is in use: going on without gRPC", self._grpc_port)
                return
            _log.info("gRPC on port %d", self._grpc_port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer those who wait with what there is, then end."""
        self._stopping.set()
        rpc = self._rpc.stop(0 if self.force_exit else _GRACE) if self._rpc else asyncio.sleep(0)
        await asyncio.gather(rpc, super().shutdown(sockets))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description="Serve Opspawn's REST and gRPC APIs.")
    parser.add_argument("--host", help="address to listen on (OPSPAWN_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for any free one (OPSPAWN_PORT, 8000)")
    parser.add_argument("--grpc-port", type=int, help="port for gRPC, 0 for none (OPSPAWN_GRPC_PORT, 50051)")
    parser.add_argument("--app-dir", type=Path, help="where agents/ and tools/ lie (OPSPAWN_APP_DIR, .)")
    parser.add_argument("--data-dir", type=Path, help="where large payloads lie (OPSPAWN_DATA_DIR, .opspawn)")
    return parser


def _grpc_port(settings: Settings) -> int:
    """Return the port for gRPC, 0 for none: the default one is left to whoever has it."""
    try:
        if settings.grpc_port:
            _listen(settings.host, settings.grpc_port, "--grpc-port").close()  # gRPC takes no sockets
    except _CannotListen as error:
        if "grpc_port" in settings.model_fields_set:
            raise
        _log.warning("No gRPC here. %s", error)
        return 0
    return settings.grpc_port


def _listen(host: str, port: int, option: str = "--port") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where a socket says TCP; with it an answer takes 40 ms more
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _CannotListen(_why(error, host, port, option)) from None
    return listener


def _why(error: OSError | OverflowError, host: str, port: int, option: str) -> str:
    if isinstance(error, OverflowError):
        return f"Port {port} is no port: choose one from 0 to 65535 with {option}"
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use: stop what listens there, or choose another with {option}"
    if error.errno == errno.EACCES:
        return f"Port {port} is only for root: choose one above 1023 with {option}"
    return f"Can't listen on {host}, port {port} ({error}): mend --host or {option}"
