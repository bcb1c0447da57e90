"""All services of conversations, created together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from temporalio.client import Client

from activities.settings import Settings
from agentkit.catalog.catalog import Catalog
from api.conversations.conversation_deletion import ConversationDeletion, ConversationMemories
from api.conversations.conversation_fork import ConversationForks
from api.conversations.conversation_messages import ConversationMessages
from api.conversations.conversation_service import ConversationService
from api.tasks.task_service import TaskService

__all__ = ["ConversationServices"]


@dataclass(frozen=True, slots=True)
class ConversationServices:
    """The services that REST routes and gRPC servicers of conversations use."""

    service: ConversationService
    messages: ConversationMessages
    forks: ConversationForks
    deletion: ConversationDeletion

    @classmethod
    def of(
        cls, client: Client, tasks: TaskService, memories: ConversationMemories, catalog: Catalog, settings: Settings
    ) -> Self:
        """Return the services for a client; ``tasks`` reads the tasks of turns."""
        service = ConversationService(client, catalog, settings)
        return cls(
            service,
            ConversationMessages(client, service, tasks, catalog, settings),
            ConversationForks(client, service, catalog, settings),
            ConversationDeletion(client, memories, settings),
        )
