"""gRPC's health protocol (``grpc.health.v1``), for load balancers and probes: readiness and liveness, as over REST."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from grpc import StatusCode
from grpc.aio import ServicerContext
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthServicer

from api.services import ApiServices
from api.tasks.workers.readiness import readiness_problem

__all__ = ["LIVENESS", "HealthCheckServicer"]

LIVENESS = "liveness"
"""The service name under which this process itself is checked, whatever Temporal and the workers do."""
_CHECK_INTERVAL_S = 2.0
"""Seconds between two checks for a watcher: probes usually come every few seconds."""
_MAX_NAME_CHARS = 80

_Context = ServicerContext[HealthCheckRequest, HealthCheckResponse]


class HealthCheckServicer(HealthServicer):
    """Checks on request. The server, and each of its services, is as ready as tasks are."""

    def __init__(
        self, services: ApiServices, names: frozenset[str], *, check_interval_s: float = _CHECK_INTERVAL_S
    ) -> None:
        """Respond for the gRPC services of these names."""
        self._services = services
        self._ready_names = names | {""}
        self._check_interval_s = check_interval_s

    async def Check(self, request: HealthCheckRequest, context: _Context) -> HealthCheckResponse:
        """Return a service's status."""
        status = await self._status(request.service)
        if status == HealthCheckResponse.SERVICE_UNKNOWN:
            known = ", ".join(sorted({*self._ready_names, LIVENESS} - {""}))
            name = request.service[:_MAX_NAME_CHARS]
            await context.abort(StatusCode.NOT_FOUND, f"There is no service {name!r}. Known: {known}")
        return HealthCheckResponse(status=status)

    async def Watch(self, request: HealthCheckRequest, context: _Context) -> None:
        """Stream a service's status, now and whenever it changes."""
        sent: int | None = None
        stopping = self._services.stopping
        while not stopping.is_set():
            status = await self._status(request.service)
            if status != sent:
                await context.write(HealthCheckResponse(status=status))
                sent = status
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._check_interval_s)
        await context.write(HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING))

    async def _status(self, service: str) -> int:
        if service == LIVENESS:
            return HealthCheckResponse.SERVING
        if service not in self._ready_names:
            return HealthCheckResponse.SERVICE_UNKNOWN
        problem = await readiness_problem(self._services.client, self._services.settings)
        return HealthCheckResponse.SERVING if problem is None else HealthCheckResponse.NOT_SERVING
