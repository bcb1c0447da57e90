"""The routes of conversations: ``/api/v1/conversations``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.conversations.conversation_deletion import ConversationDeletion
from api.conversations.conversation_fork import ConversationForks
from api.conversations.conversation_messages import ConversationMessages
from api.conversations.conversation_service import ConversationService
from api.rest.access.route_roles import OPERATOR, VIEWER
from api.rest.conversations.conversation_schemas import (
    ChangeConversationRequest,
    ConversationListParams,
    ConversationListResponse,
    ConversationResponse,
    CreateConversationRequest,
    ErasedConversationResponse,
    ForkOfConversationRequest,
    SendTurnRequest,
    TurnListParams,
    TurnListResponse,
)
from api.rest.problems import PROBLEM_RESPONSES
from api.rest.request_bodies import JSONRoute
from api.rest.route_parameters import (
    TranscriptLimit,
    TranscriptStart,
    TranscriptVersion,
    checked_key,
    key_header,
)
from api.rest.tasks.task_schemas import TaskResponse, TranscriptResponse
from api.services import request_services
from workflows.conversations.conversation_types import MessageOutcome

__all__ = ["router"]

router = APIRouter(
    prefix="/api/v1/conversations",
    tags=["conversations"],
    route_class=JSONRoute,
    responses=PROBLEM_RESPONSES,
    dependencies=[VIEWER],
)

_STATUS: dict[MessageOutcome | None, int] = {"started": 201, "delivered": 200, "queued": 202, None: 202}
"""Of the response to a message, by what became of it."""
_ConversationId = Annotated[str, Path(description="The conversation's id, which is its Temporal workflow id.")]


async def _conversation_service(request: Request) -> ConversationService:
    # async, though it awaits nothing: FastAPI would run a plain function in a thread
    return request_services(request).conversations.service


async def _message_service(request: Request) -> ConversationMessages:
    return request_services(request).conversations.messages


async def _fork_service(request: Request) -> ConversationForks:
    return request_services(request).conversations.forks


async def _deletion_service(request: Request) -> ConversationDeletion:
    return request_services(request).conversations.deletion


_Conversations = Annotated[ConversationService, Depends(_conversation_service)]


@router.post(
    "",
    status_code=201,
    dependencies=[OPERATOR],
    operation_id="createConversation",
    responses={
        200: {"model": ConversationResponse, "description": "The conversation of an earlier request with this key"}
    },
)
async def create_conversation(
    conversations: _Conversations,
    body: CreateConversationRequest,
    response: Response,
    idempotency_key: Annotated[
        str | None, key_header("The same key and body give the first conversation again (200).")
    ] = None,
) -> ConversationResponse:
    """Start a conversation; with a `message`, its first turn, too. It is durable once this call returns."""
    created = await conversations.create(body, key=checked_key(idempotency_key))
    response.headers["Location"] = created.conversation.links["self"]
    if not created.is_new:
        response.status_code = 200
    return ConversationResponse.of(created.conversation)


@router.get("", operation_id="listConversations")
async def list_conversations(
    conversations: _Conversations, query: Annotated[ConversationListParams, Query()]
) -> ConversationListResponse:
    """List conversations, newest first; a new one may take a moment to show."""
    return ConversationListResponse.of(await conversations.list(query))


@router.get("/{conversation_id}", operation_id="getConversation")
async def get_conversation(conversations: _Conversations, conversation_id: _ConversationId) -> ConversationResponse:
    """Show a conversation."""
    return ConversationResponse.of(await conversations.get(conversation_id))


@router.patch(
    "/{conversation_id}",
    dependencies=[OPERATOR],
    operation_id="updateConversation",
    responses={202: {"model": ConversationResponse, "description": "No worker runs: it is changed when one does"}},
)
async def update_conversation(
    conversations: _Conversations,
    conversation_id: _ConversationId,
    body: ChangeConversationRequest,
    response: Response,
) -> ConversationResponse:
    """Change title, agent, model or `on_busy`, from the next message on."""
    changed = await conversations.change(conversation_id, body)
    if not changed.is_decided:
        response.status_code = 202
    return ConversationResponse.of(changed.conversation)


@router.delete("/{conversation_id}", status_code=202, dependencies=[OPERATOR], operation_id="deleteConversation")
async def delete_conversation(
    deletion: Annotated[ConversationDeletion, Depends(_deletion_service)],
    conversation_id: _ConversationId,
    memories: Annotated[bool, Query(description="Whether to erase the memories that its turns have written, too.")] = (
        False
    ),
) -> ErasedConversationResponse:
    """Erase a conversation and its turns; a running turn is cancelled. They are gone soon afterwards."""
    return ErasedConversationResponse.of(await deletion.delete(conversation_id, memories=memories))


@router.post(
    "/{conversation_id}/messages",
    status_code=201,
    dependencies=[OPERATOR],
    operation_id="sendConversationMessage",
    responses={
        200: {
            "model": TaskResponse,
            "description": "The running turn, which reads the message; or the turn of an earlier request with this key",
        },
        202: {"model": TaskResponse, "description": "The message waits for its turn, or for a worker"},
    },
)
async def send_message(
    messages: Annotated[ConversationMessages, Depends(_message_service)],
    conversation_id: _ConversationId,
    body: SendTurnRequest,
    response: Response,
    idempotency_key: Annotated[str | None, key_header("Messages with the same key are delivered once.")] = None,
) -> TaskResponse:
    """Send a message: the response is the turn that answers it, a task. While a turn runs, `on_busy` decides."""
    sent = await messages.send(conversation_id, body, key=checked_key(idempotency_key))
    response.headers["Location"] = sent.task.links["self"]
    response.status_code = _STATUS[sent.outcome] if sent.is_new else 200
    return TaskResponse.of(sent.task)


@router.get("/{conversation_id}/turns", operation_id="listTurns")
async def list_turns(
    conversations: _Conversations, conversation_id: _ConversationId, query: Annotated[TurnListParams, Query()]
) -> TurnListResponse:
    """List the turns of a conversation by number; of a very long one, the newest 1,000. It needs a worker."""
    return TurnListResponse.of(await conversations.turns(conversation_id, query))


@router.get("/{conversation_id}/transcript", operation_id="getConversationTranscript")
async def get_transcript(
    conversations: _Conversations,
    conversation_id: _ConversationId,
    start: TranscriptStart = 0,
    limit: TranscriptLimit = 100,
    version: TranscriptVersion = None,
) -> TranscriptResponse:
    """Read the messages of the turns that have ended. A page may end before `limit` when they are large."""
    page = await conversations.transcript(conversation_id, start=start, limit=limit, version=version)
    return TranscriptResponse.of(page)


@router.post(
    "/{conversation_id}/fork",
    status_code=201,
    dependencies=[OPERATOR],
    operation_id="forkConversation",
    responses={
        200: {"model": ConversationResponse, "description": "The conversation of an earlier request with this key"}
    },
)
async def fork_conversation(
    forks: Annotated[ConversationForks, Depends(_fork_service)],
    conversation_id: _ConversationId,
    body: ForkOfConversationRequest,
    response: Response,
    idempotency_key: Annotated[str | None, key_header("The same key and body give the first fork again (200).")] = None,
) -> ConversationResponse:
    """Start a conversation that goes on from a turn of this one, and is independent of it. It needs a worker."""
    created = await forks.fork(conversation_id, body, key=checked_key(idempotency_key))
    response.headers["Location"] = created.conversation.links["self"]
    if not created.is_new:
        response.status_code = 200
    return ConversationResponse.of(created.conversation)
