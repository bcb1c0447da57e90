"""Serve gRPC beside HTTP, in the same process and event loop."""

from __future__ import annotations

from grpc import aio
from grpc_health.v1.health import SERVICE_NAME as HEALTH
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION
from grpc_reflection.v1alpha.reflection import enable_server_reflection

from api.access.client_address import TrustedProxies
from api.grpc.call_authentication import CallAuthentication
from api.grpc.call_metrics import CallMetrics
from api.grpc.call_trace import CallTrace
from api.grpc.conversation_servicer import ConversationServicer
from api.grpc.health_service import HealthCheckServicer
from api.grpc.request_decoding import RequestDecoding
from api.grpc.task_servicer import TaskServicer
from api.proto.opspawn.v1 import conversations_pb2, tasks_pb2
from api.proto.opspawn.v1.conversations_pb2_grpc import add_ConversationServiceServicer_to_server
from api.proto.opspawn.v1.tasks_pb2_grpc import add_TaskServiceServicer_to_server
from api.services import ApiServices

__all__ = ["CONVERSATION_SERVICE", "TASK_SERVICE", "GrpcServer"]

CONVERSATION_SERVICE = conversations_pb2.DESCRIPTOR.services_by_name["ConversationService"].full_name
TASK_SERVICE = tasks_pb2.DESCRIPTOR.services_by_name["TaskService"].full_name
_KEEPALIVE_MS = 15_000
"""A silent client is pinged after this time, and lost after the same time without a response: then its watch ends."""

_IDLE_MS = 300_000
"""A connection without a call is closed after this time; clients open another by themselves."""
_MAX_METADATA_BYTES = 16_384
_HANDSHAKE_MS = 10_000
"""The time that a client may take to begin HTTP/2."""


class GrpcServer:
    """The server of ``opspawn.v1``, of health and of reflection."""

    def __init__(self, services: ApiServices, *, max_request_bytes: int, max_connections: int) -> None:
        """Serve ``services``; larger requests, and more connections and concurrent calls, are refused."""
        self._server = aio.server(
            interceptors=[
                CallMetrics(services.metrics),
                CallAuthentication(services.authentication, TrustedProxies(services.settings.trusted_proxies)),
                CallTrace(),
                RequestDecoding(),
            ],
            maximum_concurrent_rpcs=max_connections,
            options=[
                ("grpc.so_reuseport", 0),  # otherwise a second process would share the port unnoticed
                ("grpc.max_receive_message_length", max_request_bytes),
                ("grpc.max_metadata_size", _MAX_METADATA_BYTES),  # beyond it, gRPC refuses some calls
                ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),  # beyond this one all
                ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", _KEEPALIVE_MS),
                ("grpc.max_allowed_incoming_connections", max_connections),
                ("grpc.max_connection_idle_ms", _IDLE_MS),
                ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
                ("grpc.http2.min_ping_interval_without_data_ms", _KEEPALIVE_MS // 3),
            ],
        )
        add_TaskServiceServicer_to_server(TaskServicer(services), self._server)
        add_ConversationServiceServicer_to_server(ConversationServicer(services), self._server)
        served = frozenset({TASK_SERVICE, CONVERSATION_SERVICE})
        add_HealthServicer_to_server(HealthCheckServicer(services, served), self._server)
        enable_server_reflection((*sorted(served), HEALTH, REFLECTION), self._server)

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port, which the system chooses where it was 0.

        Raises:
            RuntimeError: the port can't be bound.
        """
        bound = self._server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        await self._server.start()
        return bound

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, and cancel those in flight after ``grace_s`` seconds."""
        await self._server.stop(grace_s)
