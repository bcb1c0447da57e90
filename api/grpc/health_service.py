"""Tell gRPC's load balancers and probes what ``/readyz`` and ``/healthz`` tell (``grpc.health.v1``)."""

from __future__ import annotations

import asyncio

from grpc import StatusCode
from grpc.aio import ServicerContext
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

from api.async_wait import first_of
from api.rest.health_routes import lacking
from api.state import State

__all__ = ["LIVENESS", "Health"]

LIVENESS = "liveness"
"""The name by which to ask whether this process answers, whatever Temporal and the workers do."""
_PAUSE = 2.0
"""Seconds between two looks for one who watches."""

_Context = ServicerContext[HealthCheckRequest, HealthCheckResponse]


class Health(HealthServicer):
    """Looks when it is asked. The server as a whole, and each service, is as ready as tasks are."""

    def __init__(self, state: State, services: frozenset[str], *, pause: float = _PAUSE) -> None:
        """Answer for these services; look every ``pause`` seconds while somebody watches."""
        self._state = state
        self._ready_names = services | {""}
        self._pause = pause

    async def Check(self, request: HealthCheckRequest, context: _Context) -> HealthCheckResponse:
        """Say how a service is."""
        status = await self._status(request.service)
        if status == HealthCheckResponse.SERVICE_UNKNOWN:
            known = ", ".join(sorted({*self._ready_names, LIVENESS} - {""}))
            await context.abort(StatusCode.NOT_FOUND, f"There is no service {request.service[:80]!r}. Known: {known}")
        return HealthCheckResponse(status=status)

    async def Watch(self, request: HealthCheckRequest, context: _Context) -> None:
        """Say how a service is, and whenever that changes."""
        told: int | None = None
        stopping = self._state.stopping
        while not stopping.is_set():
            status = await self._status(request.service)
            if status != told:
                await context.write(HealthCheckResponse(status=status))
                told = status
            await first_of(asyncio.sleep(self._pause), stopping.wait())
        await context.write(HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING))

    async def _status(self, service: str) -> int:
        if service == LIVENESS:
            return HealthCheckResponse.SERVING
        if service not in self._ready_names:
            return HealthCheckResponse.SERVICE_UNKNOWN
        reason = await lacking(self._state)
        return HealthCheckResponse.SERVING if reason is None else HealthCheckResponse.NOT_SERVING
