"""Serve the calls of ``opspawn.v1.ConversationService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.grpc.conversation_mapping import (
    change_request,
    conversation_list_message,
    conversation_list_request,
    conversation_message,
    fork_request,
    new_conversation,
    sent_turn_message,
    transcript_message,
    transcript_range,
    turn_list_message,
    turn_list_request,
    turn_request,
)
from api.grpc.message_fields import idempotency_key
from api.grpc.status_mapping import errors_as_status
from api.proto.opspawn.v1 import conversations_pb2 as pb
from api.proto.opspawn.v1.conversations_pb2_grpc import ConversationServiceServicer
from api.services import ApiServices

__all__ = ["ConversationServicer"]

if TYPE_CHECKING:
    from api.grpc.method_handlers import Context


class ConversationServicer(ConversationServiceServicer):
    """The calls of REST's ``/api/v1/conversations``, by the same rules."""

    def __init__(self, services: ApiServices) -> None:
        self._conversations = services.conversations

    async def CreateConversation(
        self, request: pb.CreateConversationRequest, context: Context
    ) -> pb.CreateConversationResponse:
        """Start a conversation."""
        async with errors_as_status(context):
            created = await self._conversations.service.create(new_conversation(request), key=idempotency_key(request))
            message = conversation_message(created.conversation)
            return pb.CreateConversationResponse(conversation=message, created=created.is_new)

    async def GetConversation(self, request: pb.GetConversationRequest, context: Context) -> pb.GetConversationResponse:
        """Show a conversation."""
        async with errors_as_status(context):
            conversation = await self._conversations.service.get(request.conversation_id)
            return pb.GetConversationResponse(conversation=conversation_message(conversation))

    async def ListConversations(
        self, request: pb.ListConversationsRequest, context: Context
    ) -> pb.ListConversationsResponse:
        """List conversations, newest first."""
        async with errors_as_status(context):
            page = await self._conversations.service.list(conversation_list_request(request))
            return conversation_list_message(page)

    async def UpdateConversation(
        self, request: pb.UpdateConversationRequest, context: Context
    ) -> pb.UpdateConversationResponse:
        """Change a conversation from its next message on."""
        async with errors_as_status(context):
            changed = await self._conversations.service.change(request.conversation_id, change_request(request))
            message = conversation_message(changed.conversation)
            return pb.UpdateConversationResponse(conversation=message, decided=changed.is_decided)

    async def SendConversationMessage(
        self, request: pb.SendConversationMessageRequest, context: Context
    ) -> pb.SendConversationMessageResponse:
        """Send a message."""
        async with errors_as_status(context):
            sent = await self._conversations.messages.send(
                request.conversation_id, turn_request(request), key=idempotency_key(request)
            )
            return sent_turn_message(sent)

    async def ListTurns(self, request: pb.ListTurnsRequest, context: Context) -> pb.ListTurnsResponse:
        """List turns by number."""
        async with errors_as_status(context):
            page = await self._conversations.service.turns(request.conversation_id, turn_list_request(request))
            return turn_list_message(page)

    async def GetConversationTranscript(
        self, request: pb.GetConversationTranscriptRequest, context: Context
    ) -> pb.GetConversationTranscriptResponse:
        """Read messages of the turns that have ended."""
        async with errors_as_status(context):
            start, limit, version = transcript_range(request)
            page = await self._conversations.service.transcript(
                request.conversation_id, start=start, limit=limit, version=version
            )
            return transcript_message(page)

    async def ForkConversation(
        self, request: pb.ForkConversationRequest, context: Context
    ) -> pb.ForkConversationResponse:
        """Start a conversation that goes on from a turn of another one."""
        async with errors_as_status(context):
            created = await self._conversations.forks.fork(
                request.conversation_id, fork_request(request), key=idempotency_key(request)
            )
            message = conversation_message(created.conversation)
            return pb.ForkConversationResponse(conversation=message, created=created.is_new)

    async def DeleteConversation(
        self, request: pb.DeleteConversationRequest, context: Context
    ) -> pb.DeleteConversationResponse:
        """Erase a conversation and its turns."""
        async with errors_as_status(context):
            deletion = self._conversations.deletion
            erased = await deletion.delete(request.conversation_id, memories=request.memories)
            return pb.DeleteConversationResponse(
                conversation_id=erased.id,
                erased=erased.status == "erased",
                memories=erased.memories,
                waiting_for_worker=erased.waiting_for_worker,
                problem=erased.problem or "",
            )
