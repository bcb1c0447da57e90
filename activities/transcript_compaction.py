"""The activity that shortens a task's transcript: it stores the messages, and returns references to them."""

from __future__ import annotations

from temporalio import activity
from temporalio.client import Client

from activities.failure_mapping import application_error
from activities.heartbeat import heartbeating
from activities.payload_types import COMPACT_ACTIVITY, CompactedTranscript, CompactionCall
from activities.storage.message_storage import MessageStorage
from activities.storage.transcript_reader import TranscriptReader
from agentkit.errors import OpspawnError
from agentkit.interfaces import CompactionRequest, Compactor
from agentkit.transcript import Transcript

__all__ = ["CompactionActivity"]


class CompactionActivity:
    """Holds the activity ``compact_transcript``."""

    def __init__(self, client: Client, reader: TranscriptReader, compactor: Compactor) -> None:
        self._reader = reader
        self._storage = MessageStorage(client)
        self._compactor = compactor

    @activity.defn(name=COMPACT_ACTIVITY)
    async def compact_transcript(self, call: CompactionCall) -> CompactedTranscript:
        """Shorten a transcript; store the new version, and those messages of the old one that aren't stored yet.

        The result has no pages if the transcript can't be shortened.

        Raises:
            ApplicationError: its type is the name of our error; see ``failure_mapping``.
        """
        async with heartbeating():
            try:
                return await self._compact(call)
            except OpspawnError as error:
                raise application_error(error) from error

    async def _compact(self, call: CompactionCall) -> CompactedTranscript:
        agent = await self._reader.agent(call.task_id, call.agent_hash)
        messages = [*await self._reader.recorded_messages(call.segments), *call.composed_messages]
        request = CompactionRequest(
            agent=agent,
            model=call.model,
            reason=call.reason,
            attempt=call.attempt,
            context=call.context,
            facts=call.facts,
        )
        compacted = await self._compactor.compact(messages, request)
        transcript = Transcript(compacted.messages)
        result = CompactedTranscript(
            pages=(),
            digest=transcript.digest(len(transcript)),
            tokens_before=compacted.tokens_before,
            tokens_after=compacted.tokens_after,
            usage=compacted.usage,
        )
        if compacted.messages == tuple(messages):
            return result
        replaced = await self._storage.write(call.task_id, call.stored_end, messages[call.stored_end :])
        pages = await self._storage.write(call.task_id, 0, compacted.messages)
        self._reader.keep(call.task_id, call.segments[-1].version + 1, transcript)
        return result.model_copy(update={"pages": tuple(pages), "replaced_pages": tuple(replaced)})
