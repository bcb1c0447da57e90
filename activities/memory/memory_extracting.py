"""Remember what a task was about, at its end: a model finds the facts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from temporalio import activity

from activities.failure_mapping import application_error
from activities.heartbeat import heartbeating
from activities.memory.memory_payloads import EXTRACT_MEMORIES_ACTIVITY, ExtractionCall, ExtractionResult
from activities.storage.transcript_reader import TranscriptReader
from agentkit.errors import ModelNotAuthorized, OpspawnError
from agentkit.interfaces import LongTermMemory, Memory, MemoryScope, Model, NewMemory
from agentkit.messages import Message
from agentkit.runtime.memory_extraction import ExtractedFact, extraction_request, read_facts
from agentkit.runtime.model_request import with_unpriced_calls

__all__ = ["MemoryExtractionActivity"]

_MAX_STORED = 20
"""The most stored memories that the model is shown, so that it repeats none and finds those that are out of date."""
_QUERIES = 3
"""The newest so many messages of a person, which the stored memories are searched by."""


class MemoryExtractionActivity:
    """The activity of a worker that remembers facts of tasks."""

    def __init__(self, memory: LongTermMemory, reader: TranscriptReader, models: Mapping[str, Model]) -> None:
        self._memory = memory
        self._reader = reader
        self._models = models

    @activity.defn(name=EXTRACT_MEMORIES_ACTIVITY)
    async def extract_memories(self, call: ExtractionCall) -> ExtractionResult:
        """Request the model once, and remember the facts that it names; nothing that is stored is deleted.

        A repeated attempt requests the model again, and stores no fact twice.

        Raises:
            ApplicationError: the model gave no response, or memory or the transcript can't be used.
        """
        async with heartbeating():
            try:
                return await self._extract(call)
            except OpspawnError as error:
                raise application_error(error) from error

    async def _extract(self, call: ExtractionCall) -> ExtractionResult:
        messages = await self._reader.messages(call.segments)
        stored = await self._stored(call.scope, messages)
        request = extraction_request(call.model, messages, stored, activity.info().attempt)
        response = with_unpriced_calls(await self._model(call.model).respond(request))
        facts = read_facts(response.message.text, stored)
        ids = [await self._remember(call, fact) for fact in facts]
        return ExtractionResult(memory_ids=tuple(ids), usage=response.usage)

    async def _stored(self, scope: MemoryScope, messages: Sequence[Message]) -> Sequence[Memory]:
        """Return stored memories that may be about the same as the messages."""
        people = [message.text for message in messages if message.role == "user" and message.source is None]
        found: dict[str, Memory] = {}
        for query in filter(str.strip, people[-_QUERIES:]):
            for memory in await self._memory.recall(scope, query, limit=_MAX_STORED):
                found.setdefault(memory.id, memory)
        return list(found.values())[:_MAX_STORED]

    async def _remember(self, call: ExtractionCall, fact: ExtractedFact) -> str:
        digest = hashlib.sha256(fact.text.encode(errors="surrogatepass")).hexdigest()[:32]
        memory = NewMemory(
            text=fact.text, key=f"{call.task_id}/extracted/{digest}", task_id=call.task_id, supersedes=fact.replaces
        )
        return (await self._memory.remember(call.scope, memory)).memory.id

    def _model(self, name: str) -> Model:
        provider = name.partition(":")[0]
        if provider not in self._models:
            raise ModelNotAuthorized(f"This worker has no {provider} model for {name!r}.")
        return self._models[provider]
