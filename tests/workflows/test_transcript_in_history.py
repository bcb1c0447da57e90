"""History holds each message once, where it entered the task, and grows by the same amount in every step."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from temporalio.api.history.v1 import HistoryEvent

from activities.temporal.worker_identity import own_identity
from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, TextPart, ToolCall
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import FunctionTool, tool

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment


@tool(effect="pure")
def read_page(number: int) -> str:
    return f"{number:03}" + "r" * 397


@tool(effect="pure", fast=True)
def read_page_fast(number: int) -> str:
    return f"{number:03}" + "r" * 397


def serialized(events: list[HistoryEvent]) -> bytes:
    return b"".join(event.SerializeToString() for event in events)


def unique(text: str) -> str:
    return f"{text}-{uuid.uuid4().hex}"


async def test_each_message_is_in_history_once(env: TaskEnvironment) -> None:
    input_text, response_text, argument = unique("input"), unique("response"), unique("argument")
    value, output = unique("value"), unique("output")

    @tool(effect="pure")
    def find(key: str) -> str:
        return value

    # The summary of the activity shows the first 120 characters of the arguments.
    call = ToolCall(id="1", name="find", arguments={"key": "k" * 120 + argument})
    response = Message(role="assistant", parts=(TextPart(text=response_text), call))
    async with env.worker(ScriptedModel([response, output]), find):
        _, handle = await env.run(input_text, env.agent(find))
        history = serialized(await env.history(handle))
    assert [history.count(text.encode()) for text in (input_text, response_text, value)] == [1, 1, 1]
    assert history.count(argument.encode()) == 2, "in the model's response, and in the tool's activity"
    assert history.count(output.encode()) == 2, "in the model's response, and as the task's output"


async def test_the_agent_is_in_history_once(env: TaskEnvironment) -> None:
    instructions, description = unique("instructions"), unique("description")

    @tool(effect="pure")
    def find() -> str:
        return "found"

    find.spec.parameters["description"] = description
    async with env.worker(ScriptedModel([ToolCall(id="1", name="find"), "done"]), find):
        _, handle = await env.run("Go.", env.agent(find, instructions=instructions))
        history = serialized(await env.history(handle))
    assert (history.count(instructions.encode()), history.count(description.encode())) == (1, 1)


async def test_feedback_of_the_planner_is_in_history_once_as_a_composed_message(env: TaskEnvironment) -> None:
    model = ScriptedModel(["", "better"])
    async with env.worker(model):
        result, handle = await env.run("Go.")
        transcript = await env.transcript(handle)
        history = serialized(await env.history(handle))
    assert (result.output, result.steps) == ("better", 2)
    feedback = transcript[2]
    assert (feedback.role, feedback.source) == ("user", "planner")
    assert list(model.requests[1].messages) == transcript[:3]
    assert history.count(feedback.text.encode()) == 1


@pytest.mark.parametrize(
    ("read", "events_of_a_step", "max_kib"),
    [
        # Scheduled, started and completed, of two activities and two workflow tasks.
        pytest.param(read_page, 12, 2.6, id="tool as an activity"),
        # The same of one activity and one workflow task, and the marker of the local activity.
        pytest.param(read_page_fast, 7, 2.3, id="tool as a local activity"),
    ],
)
async def test_history_grows_by_the_same_amount_in_every_step(
    env: TaskEnvironment, read: FunctionTool[..., str], events_of_a_step: int, max_kib: float
) -> None:
    async def script(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        if step == 30:
            return "done"
        text = TextPart(text=f"{step:03}" + "t" * 397)
        call = ToolCall(id=f"c{step:03}", name=read.spec.name, arguments={"number": 100 + step})
        return Message(role="assistant", parts=(text, call))

    async with env.worker(ScriptedModel(script), read):
        _, handle = await env.run("Read.", env.agent(read, limits={"max_steps": 50}))
        events = await env.history(handle)
    requests = [index for index, event in enumerate(events) if b"request_model" in event.SerializeToString()]
    early, late = events[requests[10] : requests[20]], events[requests[20] : requests[30]]
    assert len(early) == len(late) == 10 * events_of_a_step
    assert abs(len(serialized(early)) - len(serialized(late))) < 200
    # The names of the machine and of the app's directory stand in several events of each step.
    identity, usual = str(own_identity(env.settings)).encode(), b"12345@vm/app-01234567"
    assert len(serialized(late).replace(identity, usual)) / 10 < max_kib * 1024
