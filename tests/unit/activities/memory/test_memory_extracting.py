from __future__ import annotations

import json
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.memory.memory_extracting import MemoryExtractionActivity
from activities.memory.memory_payloads import ExtractionCall, ExtractionResult
from activities.settings import Settings
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.temporal.client import connect
from agentkit.interfaces import MemoryScope
from agentkit.messages import Message, TextPart, user_message
from agentkit.testing import InMemoryMemory, ScriptedModel
from agentkit.transcript import Transcript

ADA = MemoryScope(kind="user", owner="ada")
MESSAGES = [
    user_message("Earlier turn: Ada likes cats."),
    user_message("Ada likes tea."),
    Message(role="assistant", parts=(TextPart(text="Noted."),)),
]


async def extract(directory: Path, memory: InMemoryMemory, model: ScriptedModel, provider: str) -> ExtractionResult:
    """Extract from all messages but the first, which are another turn's."""
    cache, transcript = TranscriptCache(100_000), Transcript(MESSAGES)
    cache.put_queried("task", 1, transcript)
    client = await connect(Settings(data_dir=directory, temporal_port=1), lazy=True)
    activity = MemoryExtractionActivity(memory, TranscriptReader(client, cache), {"scripted": model})
    segment = transcript.segment("task", len(MESSAGES)).model_copy(update={"start": 1})
    call = ExtractionCall(task_id="task", scope=ADA, segments=(segment,), model=f"{provider}:m")
    result: ExtractionResult = await ActivityEnvironment().run(activity.extract_memories, call)
    return result


async def test_a_repeated_attempt_stores_each_fact_once(tmp_path: Path) -> None:
    memory = InMemoryMemory()
    facts = [{"text": text, "replaces": None} for text in ("Ada likes tea.", "Bob plays chess.")]
    model = ScriptedModel([json.dumps({"facts": facts}), json.dumps({"facts": facts[::-1]})])
    first = await extract(tmp_path, memory, model, "scripted")
    second = await extract(tmp_path, memory, model, "scripted")
    assert sorted(first.memory_ids) == sorted(second.memory_ids)
    assert (await memory.list(ADA, limit=10)).total == 2
    assert (first.usage.model_calls, first.usage.unpriced_calls) == (1, 1)


async def test_only_the_tasks_own_messages_are_read(tmp_path: Path) -> None:
    model = ScriptedModel(["{}"])
    assert (await extract(tmp_path, InMemoryMemory(), model, "scripted")).memory_ids == ()
    assert "cats" not in model.requests[0].messages[0].text


async def test_a_model_that_the_worker_lacks_fails_for_good(tmp_path: Path) -> None:
    with pytest.raises(ApplicationError) as raised:
        await extract(tmp_path, InMemoryMemory(), ScriptedModel([]), "openai")
    assert (raised.value.type, raised.value.non_retryable) == ("ModelNotAuthorized", True)
