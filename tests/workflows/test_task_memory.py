"""Long-term memory in tasks: its tools, the recall before the first step, and the extraction at the end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agentkit.errors import MemoryMisconfigured
from agentkit.interfaces import MemoryScope, ModelRequest, NewMemory
from agentkit.messages import Message, ToolCall, user_message
from agentkit.testing import InMemoryMemory, ScriptedModel
from tests.unit.api.events.golden import events_of
from tests.workflows.memory_workers import ADA, agent_with_memory, memory_served, start_for_user

if TYPE_CHECKING:
    from tests.workflows.conftest import Handle, TaskEnvironment


def recalled(messages: list[Message]) -> list[str]:
    return [message.text for message in messages if message.source == "memory"]


async def events(handle: Handle, kind: str) -> list[Any]:
    mapped = await events_of(await handle.fetch_history())
    return [json.loads(event.json) for event in mapped if event.type == kind]


async def test_what_one_task_remembers_another_one_of_the_same_user_recalls(env: TaskEnvironment) -> None:
    remember = ToolCall(id="c1", name="remember", arguments={"text": "Ada prefers tea to coffee."})
    recall = ToolCall(id="c2", name="recall", arguments={"query": "Does Ada prefer tea?"})
    model = ScriptedModel([remember, "Noted.", recall, "Tea.", recall, "Nothing."])
    agent, memory = agent_with_memory(env, long_term=True), InMemoryMemory()
    async with env.worker(model), memory_served(env, memory):
        told = await start_for_user(env, "I prefer tea to coffee.", agent)
        assert (await env.result(told)).output == "Noted."
        asked = await start_for_user(env, "What do I drink?", agent)
        assert (await env.result(asked)).output == "Tea."
        other = await start_for_user(env, "What do I drink?", agent, "eva")
        assert (await env.result(other)).output == "Nothing."
        results = [json.loads((await env.tool_results(handle))[0].content) for handle in (told, asked, other)]
    assert results[0]["outcome"] == "new"
    assert [memory["text"] for memory in results[1]["memories"]] == ["Ada prefers tea to coffee."]
    assert results[2] == {"memories": []}
    (stored,) = (await memory.list(ADA, limit=10)).memories
    assert (stored.id, stored.task_id) == (results[0]["id"], told.id)


async def test_the_scope_is_the_one_of_the_agents_definition(env: TaskEnvironment) -> None:
    remember = ToolCall(id="c1", name="remember", arguments={"text": "The office closes at six."})
    memory = InMemoryMemory()
    agent = agent_with_memory(env, long_term=True, scope="agent")
    async with env.worker(ScriptedModel([remember, "Noted."])), memory_served(env, memory):
        await env.result(await start_for_user(env, "We close at six.", agent))
    assert (await memory.list(ADA, limit=10)).total == 0
    assert (await memory.list(MemoryScope(kind="agent", owner=agent.name), limit=10)).total == 1


async def test_memories_are_recalled_before_the_first_step_and_are_an_event(env: TaskEnvironment) -> None:
    memory, model = InMemoryMemory(), ScriptedModel(["You like tea."])
    stored = (await memory.remember(ADA, NewMemory(text="Ada likes tea.", key="1"))).memory
    await memory.remember(ADA, NewMemory(text="Bob plays chess.", key="2"))
    async with env.worker(model), memory_served(env, memory):
        handle = await start_for_user(env, "Does Ada like tea?", agent_with_memory(env, recall=5))
        await env.result(handle)
        first, note, _ = await env.transcript(handle)
    assert first == user_message("Does Ada like tea?")
    assert f"[{stored.id}]" in note.text
    assert "Bob" not in note.text
    assert list(model.requests[0].messages) == [first, note]
    (event,) = await events(handle, "memory.recalled")
    assert [(each["id"], each["text"]) for each in event["memories"]] == [(stored.id, "Ada likes tea.")]


async def test_a_task_whose_agent_recalls_nothing_has_no_event_of_memory_in_its_history(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(["Hi."])):
        handle = await start_for_user(env, "Hello", env.agent())
        await env.result(handle)
    scheduled = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in await env.history(handle)
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert scheduled == ["request_model"]
    assert b'"memory"' not in b"".join(event.SerializeToString() for event in await env.history(handle))


class _Refusing(InMemoryMemory):
    async def recall(self, *_: Any, **__: Any) -> Any:
        raise MemoryMisconfigured("Another embedding model. Run opspawn memory reindex.")


async def test_a_task_goes_on_without_memory_that_fails(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(["Hi."])), memory_served(env, _Refusing()):
        handle = await start_for_user(env, "Hello", agent_with_memory(env, recall=5))
        assert (await env.result(handle)).output == "Hi."
        assert recalled(await env.transcript(handle)) == []
    (event,) = await events(handle, "memory.recalled")
    assert (event["memories"], event["error"]["type"]) == ([], "MemoryMisconfigured")


async def test_a_task_goes_on_without_memory_that_nobody_serves(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel(["Hi."])):
        handle = await start_for_user(env, "Hello", agent_with_memory(env, recall=5))
        assert (await env.result(handle)).output == "Hi."
    (event,) = await events(handle, "memory.recalled")
    assert event["error"]["message"] == "No worker that serves long-term memory responded in time."


async def test_a_model_extracts_facts_at_the_end_and_its_usage_counts(env: TaskEnvironment) -> None:
    memory = InMemoryMemory()
    old = (await memory.remember(ADA, NewMemory(text="Ada lives in Paris.", key="1"))).memory
    facts = [{"text": "Ada has moved to Rome.", "replaces": old.id}, {"text": "Ada owns a cat.", "replaces": None}]
    reader = ScriptedModel([json.dumps({"facts": facts})])
    agent = agent_with_memory(env, extract=True)
    async with env.worker(ScriptedModel(["Good luck!"])), memory_served(env, memory, {"scripted": reader}):
        handle = await start_for_user(env, "Ada lives in Rome now, with my cat.", agent)
        result = await env.result(handle)
    assert (result.output, result.usage.model_calls, result.usage.tokens) == ("Good luck!", 2, 30)
    (request,) = reader.requests
    assert "user: Ada lives in Rome now, with my cat.\nassistant: Good luck!" in request.messages[0].text
    assert old.id in request.messages[0].text
    stored = {each.text: each for each in (await memory.list(ADA, limit=10)).memories}
    assert set(stored) == {"Ada lives in Paris.", "Ada has moved to Rome.", "Ada owns a cat."}
    assert stored["Ada lives in Paris."].superseded_by == stored["Ada has moved to Rome."].id
    assert stored["Ada owns a cat."].task_id == handle.id


async def test_a_failed_extraction_takes_no_output_away(env: TaskEnvironment) -> None:
    agent = agent_with_memory(env, extract=True)
    async with env.worker(ScriptedModel(["Done."])), memory_served(env, InMemoryMemory(), {}):
        handle = await start_for_user(env, "Hello", agent)
        result = await env.result(handle)
    assert (result.output, result.usage.model_calls) == ("Done.", 1)


async def test_no_limit_is_exceeded_by_an_extraction(env: TaskEnvironment) -> None:
    reader = ScriptedModel(['{"facts": []}'])
    agent = agent_with_memory(env, extract=True)
    agent = agent.model_copy(update={"limits": agent.limits.model_copy(update={"max_tokens": 15})})
    async with env.worker(ScriptedModel(["Done."])), memory_served(env, InMemoryMemory(), {"scripted": reader}):
        assert (await env.result(await start_for_user(env, "Hello", agent))).output == "Done."
    assert reader.requests == []


async def test_a_message_that_comes_during_the_extraction_is_read(env: TaskEnvironment) -> None:
    handles: list[Handle] = []

    async def read(request: ModelRequest) -> str:
        if len(handles) == 1:
            await handles.pop().signal("send_message", {"text": "One more thing."})
        return '{"facts": []}'

    agent = agent_with_memory(env, extract=True)
    model = ScriptedModel(["Done.", "That, too."])
    async with memory_served(env, InMemoryMemory(), {"scripted": ScriptedModel(read)}):
        handle = await start_for_user(env, "Hello", agent)
        handles.append(handle)
        async with env.worker(model):
            assert (await env.result(handle)).output == "That, too."
