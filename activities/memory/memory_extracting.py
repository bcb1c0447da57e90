"""The activity that extracts facts from an ended task, by a model, and remembers them."""

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
from agentkit.observed_calls import observed_response
from agentkit.runtime.memory_extraction import ExtractedFact, extraction_request, read_facts
from agentkit.runtime.model_request import with_unpriced_calls

__all__ = ["MemoryExtractionActivity"]

_MAX_STORED = 20
"""The most stored memories in the request, so that the model repeats none and names those that are out of date."""
_QUERIES = 3
"""Number of a person's newest messages that the stored memories are searched with."""


class MemoryExtractionActivity:
    """Holds the activity ``extract_memories``."""

    def __init__(self, memory: LongTermMemory, reader: TranscriptReader, models: Mapping[str, Model]) -> None:
        self._memory = memory
        self._reader = reader
        self._models = models

    @activity.defn(name=EXTRACT_MEMORIES_ACTIVITY)
    async def extract_memories(self, call: ExtractionCall) -> ExtractionResult:
        """Call the model once, and remember the facts in its response; no stored memory is deleted.

        A repeated attempt calls the model again, and stores the same fact only once.

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
        response = with_unpriced_calls(await observed_response(self._model(call.model), request))
        facts = read_facts(response.message.text, stored)
        ids = [await self._remember(call, fact) for fact in facts]
        return ExtractionResult(memory_ids=tuple(ids), usage=response.usage)

    async def _stored(self, scope: MemoryScope, messages: Sequence[Message]) -> Sequence[Memory]:
        """Return stored memories that may be about the same subjects as the messages."""
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
