"""The roles that gRPC methods need."""

from __future__ import annotations

from agentkit.principal import Role

__all__ = ["OPEN_SERVICES", "ROLES"]

OPEN_SERVICES = frozenset(
    {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
)
"""Services that need no key: an orchestrator's probes, and the description of the API, which has no data of anybody."""

_OPERATOR: tuple[Role, ...] = ("operator",)
_VIEWER: tuple[Role, ...] = ("viewer",)

ROLES: dict[str, tuple[Role, ...]] = {
    "opspawn.v1.ConversationService/CreateConversation": _OPERATOR,
    "opspawn.v1.ConversationService/DeleteConversation": _OPERATOR,
    "opspawn.v1.ConversationService/ForkConversation": _OPERATOR,
    "opspawn.v1.ConversationService/GetConversation": _VIEWER,
    "opspawn.v1.ConversationService/GetConversationTranscript": _VIEWER,
    "opspawn.v1.ConversationService/ListConversations": _VIEWER,
    "opspawn.v1.ConversationService/ListTurns": _VIEWER,
    "opspawn.v1.ConversationService/SendConversationMessage": _OPERATOR,
    "opspawn.v1.ConversationService/UpdateConversation": _OPERATOR,
    "opspawn.v1.TaskService/AnswerInput": ("approver", "operator"),
    "opspawn.v1.TaskService/CancelTask": _OPERATOR,
    "opspawn.v1.TaskService/CreateTask": _OPERATOR,
    "opspawn.v1.TaskService/DeleteTask": _OPERATOR,
    "opspawn.v1.TaskService/GetTask": _VIEWER,
    "opspawn.v1.TaskService/ListTasks": _VIEWER,
    "opspawn.v1.TaskService/WatchTask": _VIEWER,
}
"""Of each method, the roles one of which is needed. A method that isn't here is refused to everybody but ``admin``."""
