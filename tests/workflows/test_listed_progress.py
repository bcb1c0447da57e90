"""Running tasks record their steps and usage for lists, at a bounded rate."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import decode_typed_search_attributes

from agentkit.errors import ModelUnavailable
from agentkit.messages import ToolCall
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from workflows.search_attributes import MEMO_USAGE, STEPS, TOKENS

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


@tool(effect="pure")
async def lookup(number: int) -> str:
    """Look something up."""
    return str(number)


def call(number: int) -> ToolCall:
    return ToolCall(id=f"c{number}", name="lookup", arguments={"number": number})


def recorded_progress(events: list[HistoryEvent]) -> list[tuple[int | None, int | None]]:
    """Return steps and tokens of each upsert."""
    upserts = [
        decode_typed_search_attributes(event.upsert_workflow_search_attributes_event_attributes.search_attributes)
        for event in events
        if event.event_type == EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES
    ]
    return [(attributes.get(STEPS), attributes.get(TOKENS)) for attributes in upserts]


async def test_the_first_step_after_five_seconds_records_the_progress(time_skipping_env: TaskEnvironment) -> None:
    def pause(seconds: float) -> ScriptedResponse:
        return ModelUnavailable("Later.", status=503, retry_after=seconds)

    script: list[ScriptedResponse] = [call(1), pause(3), call(2), pause(3), call(3), call(4), pause(4), call(5), "done"]
    async with time_skipping_env.worker(ScriptedModel(script), lookup):
        _, handle = await time_skipping_env.run("Go.", time_skipping_env.agent(lookup))
    events = await time_skipping_env.history(handle)
    # Steps 2, 3 and 5 are asked for twice, the second time 3, 3 and 4 s later; step 4 starts after 6 s, 6 after 4.
    assert recorded_progress(events) == [(1, None), (4, 45), (6, 90)]


async def test_the_time_in_which_people_are_asked_does_not_count(time_skipping_env: TaskEnvironment) -> None:
    later = ModelUnavailable("Later.", status=503, retry_after=3)
    script: list[ScriptedResponse] = [call(1), later, call(2), later, call(3), "done"]
    asking = {"tool": "lookup", "then": "ask", "expires": "1h", "on_expiry": "approve"}
    async with time_skipping_env.worker(ScriptedModel(script), lookup):
        _, handle = await time_skipping_env.run("Go.", time_skipping_env.agent(lookup, policy=[asking]))
    progress = recorded_progress(await time_skipping_env.history(handle))
    # Steps 2, 3 and 4 start after 0, 3 and 6 s of work; the call before each has waited for an hour.
    assert [upserted for upserted in progress if upserted != (None, None)] == [(1, None), (4, 45), (4, 60)]


async def test_the_usage_of_a_running_task_is_in_its_memo(time_skipping_env: TaskEnvironment) -> None:
    script: list[ScriptedResponse] = [call(1), ModelUnavailable("Later.", status=503, retry_after=60), call(2), "done"]
    async with time_skipping_env.worker(ScriptedModel(script), lookup):
        _, handle = await time_skipping_env.run("Go.", time_skipping_env.agent(lookup))
    memos = [
        event.workflow_properties_modified_event_attributes.upserted_memo
        for event in await time_skipping_env.history(handle)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED
    ]
    converter = time_skipping_env.client.data_converter
    usages = [(await converter.decode([memo.fields[MEMO_USAGE]]))[0] for memo in memos]
    assert [(usage["model_calls"], usage["tool_calls"]) for usage in usages] == [(2, 2), (3, 2)]


async def test_five_quick_steps_add_no_event_to_the_history(env: TaskEnvironment) -> None:
    async with env.worker(ScriptedModel([*(call(number) for number in range(5)), "done"]), lookup):
        _, handle = await env.run("Go.", env.agent(lookup))
    events = await env.history(handle)
    duration = events[-1].event_time.ToDatetime() - events[0].event_time.ToDatetime()
    assert duration < timedelta(seconds=5), "the machine was too slow for this test"
    types = Counter(EventType.Name(event.event_type).removeprefix("EVENT_TYPE_") for event in events)
    assert (types["UPSERT_WORKFLOW_SEARCH_ATTRIBUTES"], types["WORKFLOW_PROPERTIES_MODIFIED"]) == (2, 1)
    workflow_tasks, activities = 12, 11
    assert types.total() == 3 * workflow_tasks + 3 * activities + 5
