"""Serve gRPC beside HTTP, in the same process and event loop."""

from __future__ import annotations

from grpc import aio
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION
from grpc_reflection.v1alpha.reflection import enable_server_reflection

from api.grpc.health_service import Health
from api.grpc.task_servicer import Tasks
from api.proto.opspawn.v1 import tasks_pb2
from api.proto.opspawn.v1.tasks_pb2_grpc import add_TaskServiceServicer_to_server
from api.state import State

__all__ = ["TASK_SERVICE", "RpcServer"]

TASK_SERVICE = tasks_pb2.DESCRIPTOR.services_by_name["TaskService"].full_name
_KEEPALIVE_MS = 15_000
"""After so long a silence a client is asked whether it is there: who is gone frees what it watched."""


class RpcServer:
    """The server of ``opspawn.v1``, of health and of reflection."""

    def __init__(self, state: State, *, largest_request: int) -> None:
        """Serve ``state``; requests over ``largest_request`` bytes are refused."""
        self._server = aio.server(
            options=[
                ("grpc.so_reuseport", 0),  # otherwise a second process would share the port in silence
                ("grpc.max_receive_message_length", largest_request),
                ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", _KEEPALIVE_MS),
                ("grpc.http2.min_ping_interval_without_data_ms", _KEEPALIVE_MS // 3),
            ]
        )
        add_TaskServiceServicer_to_server(Tasks(state), self._server)
        add_HealthServicer_to_server(Health(state, frozenset({TASK_SERVICE})), self._server)
        enable_server_reflection((TASK_SERVICE, HEALTH, REFLECTION), self._server)

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port, which the system chooses where it was 0.

        Raises:
            RuntimeError: the port can't be had.
        """
        bound = self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        await self._server.start()
        return bound

    async def stop(self, grace: float) -> None:
        """Take no more calls, and give those in flight ``grace`` seconds."""
        await self._server.stop(grace)
