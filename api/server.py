"""Serve REST and gRPC in one process, on a port each, until a signal."""

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

from activities.settings import Settings, check_exposure, warn_of_unknown_variables
from agentkit.catalog.catalog import Catalog, load_catalog
from agentkit.errors import ConfigurationInvalid
from agentkit.json_log import JsonLogFormatter
from api.app import create_app
from api.grpc.grpc_server import GrpcServer
from api.http_protocol import HttpConfig, HttpLimits
from api.open_files import OpenFilesLog, affordable_connections
from api.services import app_services

__all__ = ["main", "serve"]

logger = logging.getLogger(__name__)
_GRACE_S = 3
"""How long requests in flight may take to finish."""
_BACKLOG = 2048


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit code: 0, or 2 for wrong settings or a port in use."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    options = _options().parse_args(arguments)
    warn_of_unknown_variables()
    try:
        settings = Settings.load(
            options.app_dir, **{key: value for key, value in vars(options).items() if key != "app_dir"}
        )
    except ConfigurationInvalid as error:
        logger.error("%s", error)
        return 2
    if settings.log_format == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonLogFormatter())
    return serve(settings)


def serve(settings: Settings) -> int:
    """Serve until a signal; return the exit code."""
    try:
        check_exposure(settings)
        with _listen(settings.host, settings.port) as listener:
            _serve(settings, listener, _grpc_port(settings), load_catalog(settings))
    except (ConfigurationInvalid, _CannotListen) as error:
        logger.error("%s", error)
        return 2
    return 0


def _serve(settings: Settings, listener: socket.socket, grpc_port: int, catalog: Catalog) -> None:
    stopping = asyncio.Event()
    if settings.reload:
        catalog.watch()
    app = create_app(settings, catalog, stopping=stopping, relay=True)
    limits = HttpLimits.of(settings, max_connections=affordable_connections(settings.max_connections))
    config = HttpConfig(app, limits, grace_s=_GRACE_S, trusted_proxies=settings.trusted_proxies)
    host, port = listener.getsockname()[:2]
    logger.info("API on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    _Server(config, app, settings, grpc_port, stopping).run(sockets=[listener])


class _CannotListen(Exception):
    """The address can't be bound; the message names it and the option to change."""


class _Server(uvicorn.Server):
    """Serves gRPC beside HTTP, and ends waiting requests before it stops."""

    def __init__(
        self, config: HttpConfig, app: FastAPI, settings: Settings, grpc_port: int, stopping: asyncio.Event
    ) -> None:
        super().__init__(config)
        self._max_connections = config.limits.max_connections
        self._app = app
        self._settings = settings
        self._grpc_port = grpc_port
        self._stopping = stopping
        self._grpc: GrpcServer | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at the second signal don't wait for requests. Uvicorn's own would raise the signal again at the end."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start HTTP, and then gRPC on the same services."""
        asyncio.get_running_loop().set_exception_handler(OpenFilesLog())
        await super().startup(sockets)
        if self._grpc_port:
            self._grpc = GrpcServer(
                app_services(self._app),
                max_request_bytes=self._settings.max_input_bytes,
                max_connections=self._max_connections,
            )
            try:
                await self._grpc.start(self._settings.host, self._grpc_port)
            except RuntimeError:  # taken since `_grpc_port` tried it
                logger.warning("Port %d (gRPC) is in use: going on without gRPC", self._grpc_port)
                return
            logger.info("gRPC on port %d", self._grpc_port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End waiting requests with their current result, then stop."""
        self._stopping.set()
        grpc_stop = self._grpc.stop(0 if self.force_exit else _GRACE_S) if self._grpc else asyncio.sleep(0)
        await asyncio.gather(grpc_stop, super().shutdown(sockets))


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="opspawn --module api", description="Serve Opspawn's REST and gRPC APIs.")
    parser.add_argument("--host", help="address to listen on (OPSPAWN_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on, 0 for any free one (OPSPAWN_PORT, 8000)")
    parser.add_argument("--grpc-port", type=int, help="port for gRPC, 0 for none (OPSPAWN_GRPC_PORT, 50051)")
    parser.add_argument("--app-dir", type=Path, help="the directory of agents/ and tools/ (OPSPAWN_APP_DIR, .)")
    parser.add_argument("--data-dir", type=Path, help="the directory of large payloads (OPSPAWN_DATA_DIR, .opspawn)")
    return parser


def _grpc_port(settings: Settings) -> int:
    """Return the port for gRPC, 0 for none: a default port that is in use is not an error."""
    try:
        if settings.grpc_port:
            _listen(settings.host, settings.grpc_port, "--grpc-port").close()  # gRPC accepts no sockets
    except _CannotListen as error:
        if "grpc_port" in settings.model_fields_set:
            raise
        logger.warning("No gRPC here. %s", error)
        return 0
    return settings.grpc_port


def _listen(host: str, port: int, option: str = "--port") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only for sockets made with IPPROTO_TCP; with it a response takes 40 ms more
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _CannotListen(_listen_error_message(error, host, port, option)) from None
    return listener


def _listen_error_message(error: OSError, host: str, port: int, option: str) -> str:
    """Return why the port can't be listened on, and the remedy; ``option`` is the option that sets it."""
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use: stop what listens there, or choose another with {option}"
    if error.errno == errno.EACCES:
        return f"Port {port} is only for root: choose one above 1023 with {option}"
    return f"Can't listen on {host}, port {port} ({error}): correct --host or {option}"
