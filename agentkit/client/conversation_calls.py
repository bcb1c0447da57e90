"""Hold conversations over Opspawn's REST API: ``OpspawnClient.conversations``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Literal
from urllib.parse import quote

from pydantic import JsonValue

from agentkit.client.api_connection import ApiConnection
from agentkit.client.conversation_resources import (
    Conversation,
    ConversationList,
    DeletedConversation,
    OnBusy,
    TurnList,
)
from agentkit.client.resources import JsonObject, MessageList, Task
from agentkit.client.sent_bodies import (
    MCP_TIMEOUT_S,
    TaskInputContent,
    conversation_body,
    has_references,
    turn_body,
)
from agentkit.client.submission import submit

__all__ = ["UNCHANGED", "ConversationCalls", "Unchanged"]


class Unchanged(Enum):
    """The type of ``UNCHANGED``."""

    UNCHANGED = "unchanged"


UNCHANGED: Literal[Unchanged.UNCHANGED] = Unchanged.UNCHANGED
"""Leaves a field as it is, where None has a meaning of its own."""


class ConversationCalls:
    """Start conversations, and send them messages: each is a turn, and each turn is a task.

    So whatever a task can do a turn can, by its id: ``OpspawnClient.watch``, ``wait``, ``answer``, ``cancel``.
    """

    def __init__(self, connection: ApiConnection) -> None:
        self._connection = connection

    async def create(
        self,
        agent: str,
        *,
        message: TaskInputContent | None = None,
        model: str | None = None,
        title: str | None = None,
        user: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, str] | None = None,
        on_busy: OnBusy | None = None,
        idle_expiry: str | float | None = None,
        idempotency_key: str | None = None,
    ) -> Conversation:
        """Start a conversation.

        Args:
            agent: the agent's name. Later messages may name another.
            message: the first one; None: it waits for one.
            model: ``provider:name``, instead of the agent's own.
            title: for lists. None: the first words of the first message.
            user: the person whose conversation this is.
            tags: labels to find the conversation and its turns by.
            metadata: stored with it, and with its turns.
            on_busy: what becomes of messages while a turn runs. None: ``reject``.
            idle_expiry: seconds, or text such as ``"30d"``, after the last turn until it ends by itself.
            idempotency_key: a repeated request with the same key and body returns the first conversation.
        """
        body = conversation_body(
            agent=agent,
            message=message,
            model=model,
            title=title,
            user=user,
            tags=tags,
            metadata=metadata,
            on_busy=on_busy,
            idle_expiry=idle_expiry,
        )
        wait = MCP_TIMEOUT_S if has_references(message) else 0
        return await submit(self._connection, Conversation, "/conversations", body, idempotency_key, wait=wait)

    async def get(self, conversation_id: str) -> Conversation:
        """Return a conversation."""
        return await self._connection.get(Conversation, _path(conversation_id))

    async def list(
        self,
        *,
        status: Sequence[str] = (),
        agent: str | None = None,
        tag: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ConversationList:
        """Return a page of the conversations that fit, newest first."""
        given = {"agent": agent, "tag": tag, "cursor": cursor}
        params: dict[str, str | list[str]] = {key: value for key, value in given.items() if value is not None}
        params |= {"limit": str(limit), **({"status": [*status]} if status else {})}
        return await self._connection.get(ConversationList, "/conversations", params=params)

    async def send(
        self,
        conversation_id: str,
        input: TaskInputContent,  # the API's name for it
        *,
        agent: str | None = None,
        model: str | None = None,
        on_busy: OnBusy | None = None,
        limits: Mapping[str, JsonValue] | None = None,
        output_schema: Mapping[str, JsonValue] | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Task:
        """Send a message, and return the turn that responds to it.

        Args:
            conversation_id: the conversation.
            input: as of ``OpspawnClient.create``.
            agent: another agent, for this turn.
            model: ``provider:name``, for this turn.
            on_busy: instead of the conversation's own. With ``interrupt``, a turn that runs is returned, which reads
                the message before its next model request.
            limits: of the turn, such as ``{"max_steps": 5}``.
            output_schema: JSON Schema that the turn's output must fit.
            metadata: stored with the turn.
            idempotency_key: a repeated request with the same key and body returns the first turn.

        Raises:
            RequestRefused: among others, a turn runs (``conversation-busy``), or the conversation has ended.
        """
        body = turn_body(
            task_input=input,
            agent=agent,
            model=model,
            on_busy=on_busy,
            limits=limits,
            output_schema=output_schema,
            metadata=metadata,
        )
        path = f"{_path(conversation_id)}/messages"
        wait = MCP_TIMEOUT_S if has_references(input) else 0
        return await submit(self._connection, Task, path, body, idempotency_key, wait=wait)

    async def turns(
        self, conversation_id: str, *, start: int | None = None, limit: int = 50, cursor: str | None = None
    ) -> TurnList:
        """Return a page of the turns of a conversation, oldest first: from number ``start`` on, which counts from 1."""
        given = {"start": start, "limit": limit, "cursor": cursor}
        params = {key: str(value) for key, value in given.items() if value is not None}
        return await self._connection.get(TurnList, f"{_path(conversation_id)}/turns", params=params)

    async def transcript(
        self, conversation_id: str, *, start: int = 0, limit: int | None = None, version: int | None = None
    ) -> MessageList:
        """Return a page of the messages of all turns, from position ``start`` on.

        ``version`` is that of the transcript, which a compaction counts up; None: the newest.
        """
        given = {"start": start, "limit": limit, "version": version}
        params = {key: str(value) for key, value in given.items() if value is not None}
        return await self._connection.get(MessageList, f"{_path(conversation_id)}/transcript", params=params)

    async def change(
        self,
        conversation_id: str,
        *,
        title: str | None = None,
        agent: str | None = None,
        model: str | Unchanged | None = UNCHANGED,
        on_busy: OnBusy | None = None,
    ) -> Conversation:
        """Change a conversation from its next turn on; None leaves a field as it is.

        ``model`` None is the agent's own model.
        """
        given = {"title": title, "agent": agent, "on_busy": on_busy}
        body: JsonObject = {key: value for key, value in given.items() if value is not None}
        if not isinstance(model, Unchanged):
            body["model"] = model
        return await self._connection.patch(Conversation, _path(conversation_id), body)

    async def fork(
        self,
        conversation_id: str,
        from_turn: int,
        *,
        title: str | None = None,
        agent: str | None = None,
        model: str | None = None,
        idempotency_key: str | None = None,
    ) -> Conversation:
        """Start a new conversation that goes on after turn ``from_turn`` of this one; 0: from its beginning.

        Args:
            conversation_id: the source; the fork is independent of it.
            from_turn: the last turn that both have in common; it must have ended.
            title: for lists. None: the source's own.
            agent: another agent; None: the source's own.
            model: ``provider:name``; None: the source's own.
            idempotency_key: as for ``create``.
        """
        given = {"title": title, "agent": agent, "model": model}
        body: JsonObject = {"from_turn": from_turn, **{key: value for key, value in given.items() if value is not None}}
        return await submit(self._connection, Conversation, f"{_path(conversation_id)}/fork", body, idempotency_key)

    async def delete(self, conversation_id: str, *, memories: bool = False) -> DeletedConversation:
        """Erase a conversation with its turns; a running one is cancelled. A repeated call says how far that is.

        With ``memories``, what its turns have written to long-term memory is erased as well.
        """
        params = {"memories": "true"} if memories else None
        return DeletedConversation.from_json(await self._connection.delete(_path(conversation_id), params=params))


def _path(conversation_id: str) -> str:
    return f"/conversations/{quote(conversation_id, safe='')}"
