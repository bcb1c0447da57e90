"""Store the messages of a task that is about to continue as new, durably."""

from __future__ import annotations

from temporalio import activity
from temporalio.client import Client

from activities.failure_mapping import application_error
from activities.heartbeat import heartbeating
from activities.payload_types import STORE_ACTIVITY, StoredTranscript
from activities.storage.message_storage import MessageStorage
from activities.storage.transcript_reader import TranscriptReader
from agentkit.errors import OpspawnError
from agentkit.transcript import Segment

__all__ = ["StoringActivity"]


class StoringActivity:
    """The activity of a worker that stores messages."""

    def __init__(self, client: Client, reader: TranscriptReader) -> None:
        self._reader = reader
        self._storage = MessageStorage(client)

    @activity.defn(name=STORE_ACTIVITY)
    async def store_messages(self, segment: Segment) -> StoredTranscript:
        """Store the segment's messages. The worker keeps the whole transcript, for the workflow's next run lacks them.

        Raises:
            ApplicationError: they can't be read or written.
        """
        async with heartbeating():
            try:
                messages = await self._reader.messages_to_keep(segment)
                pages = await self._storage.write(segment.workflow_id, segment.start, messages)
            except OpspawnError as error:
                raise application_error(error) from error
        return StoredTranscript(pages=tuple(pages))
