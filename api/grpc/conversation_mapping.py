"""Map gRPC's messages of conversations to the requests of ``api.conversations``, and its snapshots to messages."""

from __future__ import annotations

from agentkit.interfaces import DEFAULT_TENANT
from api.conversations.conversation_requests import (
    ConversationChange,
    ConversationForkRequest,
    ConversationListRequest,
    NewConversation,
    TurnListRequest,
    TurnRequest,
)
from api.conversations.conversation_snapshot import (
    ConversationPage,
    ConversationSnapshot,
    SentTurn,
    TurnSlice,
    TurnSnapshot,
)
from api.grpc.json_values import to_struct
from api.grpc.message_fields import (
    Fields,
    duration_field,
    enum_word,
    input_fields,
    invalid_field,
    limits_fields,
    object_field,
    present_fields,
    time_field,
)
from api.grpc.response_messages import task_message
from api.proto.opspawn.v1 import conversations_pb2, tasks_pb2
from api.tasks.requests.request_validation import parse_request
from api.tasks.task_snapshot import TranscriptSlice

__all__ = [
    "change_request",
    "conversation_list_message",
    "conversation_list_request",
    "conversation_message",
    "fork_request",
    "new_conversation",
    "sent_turn_message",
    "transcript_message",
    "transcript_range",
    "turn_list_message",
    "turn_list_request",
    "turn_request",
]

_DEFAULT_LIMIT = 100
_MAX_LIMIT = 1000


def new_conversation(request: conversations_pb2.CreateConversationRequest) -> NewConversation:
    """Return the conversation to create.

    Raises:
        RequestInvalid: names the fields.
    """
    fields: Fields = {
        "agent": request.agent or None,
        "model": request.model or None,
        "title": request.title or None,
        "user": request.user or None,
        "tags": list(request.tags) or None,
        "metadata": dict(request.metadata) or None,
        "on_busy": _on_busy(request.on_busy),
        "idle_expiry": duration_field(request.idle_expiry) if request.HasField("idle_expiry") else None,
        "message": input_fields(request.message) if request.HasField("message") else None,
    }
    return parse_request(NewConversation, present_fields(fields))


def turn_request(request: conversations_pb2.SendConversationMessageRequest) -> TurnRequest:
    """Return the message to send.

    Raises:
        RequestInvalid: names the fields.
    """
    has_schema = request.HasField("output_schema")
    fields: Fields = {
        "input": input_fields(request.input) if request.HasField("input") else None,
        "agent": request.agent or None,
        "model": request.model or None,
        "on_busy": _on_busy(request.on_busy),
        "limits": limits_fields(request.limits) if request.HasField("limits") else None,
        "output_schema": object_field("output_schema", request.output_schema) if has_schema else None,
        "metadata": dict(request.metadata) or None,
    }
    return parse_request(TurnRequest, present_fields(fields))


def change_request(request: conversations_pb2.UpdateConversationRequest) -> ConversationChange:
    """Return what to change.

    Raises:
        RequestInvalid: names the fields.
    """
    fields = present_fields(
        {
            "title": request.title if request.HasField("title") else None,
            "agent": request.agent or None,
            "on_busy": _on_busy(request.on_busy),
        }
    )
    if request.HasField("model"):
        fields["model"] = request.model or None
    return parse_request(ConversationChange, fields)


def fork_request(request: conversations_pb2.ForkConversationRequest) -> ConversationForkRequest:
    """Return where to fork.

    Raises:
        RequestInvalid: names the fields.
    """
    fields: Fields = {
        "from_turn": request.from_turn,
        "title": request.title or None,
        "agent": request.agent or None,
        "model": request.model or None,
    }
    return parse_request(ConversationForkRequest, present_fields(fields))


def conversation_list_request(request: conversations_pb2.ListConversationsRequest) -> ConversationListRequest:
    """Return the filters and the page.

    Raises:
        RequestInvalid: names the fields.
    """
    after, before = "created_after", "created_before"
    statuses = [enum_word(conversations_pb2.ConversationStatus, s, "CONVERSATION_STATUS_") for s in request.status]
    fields: Fields = {
        "status": statuses or None,
        "agent": request.agent or None,
        "tag": request.tag or None,
        after: time_field(after, request.created_after) if request.HasField("created_after") else None,
        before: time_field(before, request.created_before) if request.HasField("created_before") else None,
        "limit": request.limit or None,
        "cursor": request.cursor or None,
    }
    return parse_request(ConversationListRequest, present_fields(fields))


def turn_list_request(request: conversations_pb2.ListTurnsRequest) -> TurnListRequest:
    """Return the page of turns.

    Raises:
        RequestInvalid: names the fields.
    """
    fields: Fields = {
        "start": request.start or None,
        "limit": request.limit or None,
        "cursor": request.cursor or None,
    }
    return parse_request(TurnListRequest, present_fields(fields))


def transcript_range(request: conversations_pb2.GetConversationTranscriptRequest) -> tuple[int, int, int | None]:
    """Return the position of the first message, how many to read, and the transcript's version.

    Raises:
        RequestInvalid: names the field.
    """
    limit = request.limit or _DEFAULT_LIMIT
    if request.start < 0:
        raise invalid_field("start", "Take a position from 0 on")
    if not 0 < limit <= _MAX_LIMIT:
        raise invalid_field("limit", f"Take 1 to {_MAX_LIMIT}")
    if request.HasField("version") and request.version < 1:
        raise invalid_field("version", "Take a version from 1 on")
    return request.start, limit, request.version if request.HasField("version") else None


def conversation_message(conversation: ConversationSnapshot) -> conversations_pb2.Conversation:
    """Return a conversation; fields without a value stay unset."""
    status = f"CONVERSATION_STATUS_{conversation.status.upper()}"
    message = conversations_pb2.Conversation(
        id=conversation.id,
        agent=conversation.agent,
        model=conversation.model or "",
        status=conversations_pb2.ConversationStatus.Value(status),
        title=conversation.title,
        user=conversation.user or "",
        tags=conversation.tags,
        metadata=conversation.metadata,
        on_busy=conversations_pb2.OnBusy.Value(f"ON_BUSY_{conversation.on_busy.upper()}"),
        turns=conversation.turns,
        current_task_id=conversation.current_task_id or "",
        queued=conversation.queued,
        usage=tasks_pb2.TaskUsage(**conversation.usage.model_dump()),
        links=conversations_pb2.ConversationLinks(**conversation.links),
        tenant="" if conversation.tenant == DEFAULT_TENANT else conversation.tenant,
    )
    message.created_at.FromDatetime(conversation.created_at)
    message.updated_at.FromDatetime(conversation.updated_at)
    if conversation.expires_at is not None:
        message.expires_at.FromDatetime(conversation.expires_at)
    if conversation.forked_from is not None:
        origin = conversations_pb2.ConversationOrigin(**conversation.forked_from.model_dump())
        message.forked_from.CopyFrom(origin)
    return message


def conversation_list_message(page: ConversationPage) -> conversations_pb2.ListConversationsResponse:
    """Return a page of conversations."""
    return conversations_pb2.ListConversationsResponse(
        conversations=map(conversation_message, page.conversations),
        next_cursor=page.next_cursor or "",
        total=page.total,
    )


def sent_turn_message(sent: SentTurn) -> conversations_pb2.SendConversationMessageResponse:
    """Return what became of a message."""
    outcome = f"MESSAGE_OUTCOME_{(sent.outcome or 'queued').upper()}"
    return conversations_pb2.SendConversationMessageResponse(
        task=task_message(sent.task), outcome=conversations_pb2.MessageOutcome.Value(outcome)
    )


def turn_list_message(page: TurnSlice) -> conversations_pb2.ListTurnsResponse:
    """Return a page of turns."""
    return conversations_pb2.ListTurnsResponse(turns=map(_turn_message, page.turns), next_cursor=page.next_cursor or "")


def transcript_message(page: TranscriptSlice) -> conversations_pb2.GetConversationTranscriptResponse:
    """Return messages of a transcript."""
    messages = (message.model_dump(mode="json") for message in page.messages)
    return conversations_pb2.GetConversationTranscriptResponse(
        start=page.start,
        messages=map(to_struct, messages),
        total=page.total,
        next_start=page.next_start,
        version=page.version,
        versions=page.versions,
    )


def _turn_message(turn: TurnSnapshot) -> conversations_pb2.Turn:
    message = conversations_pb2.Turn(
        number=turn.number,
        task_id=turn.task_id,
        status=tasks_pb2.TaskStatus.Value(f"TASK_STATUS_{turn.status.upper()}"),
        agent=turn.agent,
        model=turn.model,
        input=turn.input,
        output=turn.output,
        error=turn.error,
    )
    message.started_at.FromDatetime(turn.started_at)
    if turn.ended_at is not None:
        message.ended_at.FromDatetime(turn.ended_at)
    return message


def _on_busy(number: int) -> str | None:
    return enum_word(conversations_pb2.OnBusy, number, "ON_BUSY_") if number else None
