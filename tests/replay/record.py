"""Record the histories that are replayed on every change: ``python -m tests.replay.record [NAME...]``.

A history is recorded again only when a patch of the workflow makes it obsolete: until then, such tasks may be running.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import JsonValue
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from agentkit.errors import ContextTooLong, ModelNotAuthorized, ToolError, ToolNotFound
from agentkit.interfaces import Compactor, ModelRequest, ModelResponse, ProbeOutcome, Tool, Toolset, Unknown
from agentkit.messages import Message, TextPart, ToolCall, Usage, user_message
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec, CompactionSettings, McpSelection, PolicyRule, ToolSpec
from agentkit.testing import ModelScript, ScriptedCompactor, ScriptedMcpServers, ScriptedModel, ScriptedResponse
from agentkit.tools import ToolRegistry, tool
from agentkit.tools.mcp_proxy_tools import mcp_proxy_tools
from tests.replay.recorded_conversation import run_conversation
from tests.replay.recorded_memory import remember_script, serving_recorded_memory, with_memory
from tests.replay.recorded_servers import (
    answer_forms,
    booking_script,
    booking_servers,
    changing_script,
    changing_servers,
    proxy_script,
)
from tests.replay.recorded_versions import run_task_that_moves
from worker import build_worker
from workflows.agent_task import AgentTask
from workflows.search_attributes import SEARCH_ATTRIBUTES
from workflows.task_types import PendingInput, TaskInput, TaskResult

HISTORIES = Path(__file__).parent / "histories"
CONTINUE_AS_NEW_AFTER_EVENTS = 60
CONVERSATION = "conversation"
"""The name of the recorded conversation: see ``recorded_conversation``."""
MOVED = "moved_to_another_version"
"""The name of the recorded task of versioned workers: see ``recorded_versions``."""


@tool(effect="idempotent")
def double(number: int) -> int:
    """Double a number."""
    return 2 * number


@tool(effect="pure", fast=True)
def half(number: int) -> float:
    """Halve an even number."""
    if number % 2:
        raise ToolError("Send an even number.")
    return number / 2


@tool(effect="irreversible")
def launch(number: int) -> str:
    """Launch a rocket."""
    return "launched"


def cannot_tell(key: str, arguments: dict[str, JsonValue]) -> ProbeOutcome:
    """Return that nothing is known of a call."""
    return Unknown("the bank is closed")


@tool(effect="irreversible", probe=cannot_tell)
def pay(number: int) -> str:
    """Pay, and lose the connection."""
    raise ConnectionResetError("connection reset by peer")


TOOLS = ToolRegistry([double, half, launch, pay])
DENY_LAUNCH = (PolicyRule(tool="launch", then="deny", reason="No rockets today."),)
ALLOW_ALL = (PolicyRule(tool="*", then="allow"),)
AGENT = AgentSpec(
    name="recorded",
    models=("scripted:m",),
    planner="tools",
    instructions="Be brief.",
    tools=(double.spec, half.spec),
)
Handle = WorkflowHandle[AgentTask, TaskResult]


class LateTools:
    """Lacks each tool when it is first asked for it, like a worker of another app."""

    def __init__(self) -> None:
        self._refused: set[str] = set()

    def specs(self) -> Sequence[ToolSpec]:
        """Return the specs of the tools."""
        return TOOLS.specs()

    def get(self, name: str) -> Tool:
        """Return a tool, unless it is the first time."""
        if name not in self._refused:
            self._refused.add(name)
            raise ToolNotFound(f"There is no tool {name!r}.")
        return TOOLS.get(name)


@dataclass(frozen=True)
class Recording:
    """A task to record."""

    name: str
    script: Sequence[ScriptedResponse] | ModelScript
    agent: AgentSpec = AGENT
    toolset: Toolset = TOOLS
    mcp_servers: ScriptedMcpServers | None = None
    compactor: Compactor | None = None
    after_start: Callable[[Handle], Awaitable[None]] | None = None
    """Acts on the task once it has started."""


def call(name: str, id: str, number: int) -> ToolCall:
    """Return a tool call."""
    return ToolCall(id=id, name=name, arguments={"number": number})


def with_usage(message_call: ToolCall, tokens: int) -> ModelResponse:
    """Return a response that took so many tokens."""
    usage = Usage(input_tokens=tokens, model_calls=1)
    return ModelResponse(
        message=Message(role="assistant", parts=(message_call,)), stop_reason="tool_calls", usage=usage
    )


def react(name: str, **arguments: int | str) -> str:
    """Return the text by which a model calls a tool under the ``react`` planner."""
    return json.dumps({"thought": "t", "action": {"name": name, "arguments": arguments}})


async def respond_never(_: ModelRequest) -> ScriptedResponse:
    """Wait until the request is cancelled."""
    await asyncio.Event().wait()
    return "never"


async def call_in_nine_steps(request: ModelRequest) -> ScriptedResponse:
    """Respond with a tool call in each of nine steps, then with text."""
    step = sum(message.role == "assistant" for message in request.messages)
    return "done" if step == 9 else call("double", f"c{step}", step)


async def cancel_at_first_activity(handle: Handle) -> None:
    """Cancel the task once the model activity is scheduled."""
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.HasField("activity_task_scheduled_event_attributes"):
            await handle.cancel()
            return


async def answer_everything(handle: Handle) -> None:
    """Answer each input request by signal: the first one wrongly, too."""
    await handle.signal("answer_input", {"input_request_id": "input_9", "decision": "approve"})
    await handle.signal("send_message", {"text": "Be quick.", "sent_by": "ada"})
    await handle.signal("raise_limits", {"max_steps": 60})
    answers = {"approval": {"decision": "approve", "answered_by": "ada"}, "unknown_outcome": {"decision": "happened"}}
    answered: set[str] = set()
    async with asyncio.timeout(30):
        while len(answered) < 3:
            pending = await handle.query("input_requests", result_type=PendingInput)
            for request in pending.input_requests:
                if request.id not in answered:
                    answered.add(request.id)
                    answer = {"input_request_id": request.id, **answers[request.kind]}
                    await handle.signal("answer_input", answer)


CHANGING = changing_servers()
PROXIED = changing_servers()

RECORDINGS = (
    Recording(
        "tool_calls",
        [
            Message(
                role="assistant",
                parts=(
                    TextPart(text="Let me see."),
                    call("double", "1", 21),
                    call("half", "2", 21),
                    call("none", "3", 1),
                ),
            ),
            [call("half", "4", 84)],
            "Both are 42.",
        ],
    ),
    Recording("empty_response", ["", "There you are."]),
    Recording("failure", [call("double", "1", 21), ModelNotAuthorized("Incorrect API key provided.", status=401)]),
    Recording("cancellation", respond_never, after_start=cancel_at_first_activity),
    Recording(
        "input_requests",
        [[call("launch", "1", 1), call("pay", "2", 7)], "Both are done."],
        AGENT.model_copy(update={"tools": (launch.spec, pay.spec)}),
        after_start=answer_everything,
    ),
    Recording("continue_as_new", call_in_nine_steps),
    Recording(
        "compaction",
        [
            call("double", "1", 21),
            call("double", "2", 42),
            ContextTooLong("The request has 1,200 tokens, and the model takes 1,000.", status=400),
            with_usage(call("double", "3", 84), 900),
            "It is 168.",
        ],
        AGENT.model_copy(update={"compaction": CompactionSettings(window=1_000)}),
        compactor=ScriptedCompactor(),
    ),
    Recording("memory", remember_script, with_memory(AGENT)),
    Recording(
        "refused_by_a_worker_without_the_tool",
        [call("double", "1", 21), call("half", "2", 84), "42"],
        toolset=LateTools(),
    ),
    Recording(
        "plan",
        ['{"plan": ["double 21", "report"]}', call("double", "1", 21), '{"plan": ["report"]}', "42"],
        AGENT.model_copy(update={"planner": "plan"}),
    ),
    Recording(
        "react_with_fast_tools",
        [react("half", number=84), react("launch", number=1), react("half", number=21), react("finish", answer="42")],
        AGENT.model_copy(
            update={"planner": "react", "tools": (double.spec, half.spec, launch.spec), "policy": DENY_LAUNCH}
        ),
    ),
    Recording(
        "mcp_tools_that_changed",
        changing_script(CHANGING),
        AGENT.model_copy(update={"mcp": McpSelection(tools=("math/*", "mail/*"))}),
        mcp_servers=CHANGING,
    ),
    Recording(
        "calls_by_mcp_call",
        proxy_script(PROXIED),
        AGENT.model_copy(update={"tools": tuple(each.spec for each in mcp_proxy_tools())}),
        mcp_servers=PROXIED,
    ),
    Recording(
        "input_for_mcp_servers",
        booking_script,
        AGENT.model_copy(update={"mcp": McpSelection(tools=("travel/*",)), "policy": ALLOW_ALL}),
        mcp_servers=booking_servers(),
        after_start=answer_forms,
    ),
)


def without_stack_traces(value: Any) -> Any:
    """Return JSON without the paths of the machine that it was recorded on."""
    if isinstance(value, dict):
        return {key: without_stack_traces(item) for key, item in value.items() if key != "stackTrace"}
    return [without_stack_traces(item) for item in value] if isinstance(value, list) else value


async def record(client: Client, settings: Settings, recording: Recording) -> None:
    """Run the task, and write the history of each of its runs to a file."""
    models = {"scripted": ScriptedModel(recording.script)}
    parts = (client, settings, models, recording.toolset, InlineOutputChecker())
    async with (
        serving_recorded_memory(client, settings),
        build_worker(*parts, mcp_servers=recording.mcp_servers, compactor=recording.compactor),
    ):
        handle = await client.start_workflow(
            AgentTask.run,
            TaskInput(agent=recording.agent, message=user_message(f"Show {recording.name}.")),
            id=f"recorded-{recording.name}",
            task_queue=settings.task_queue,
        )
        if recording.after_start is not None:
            await recording.after_start(handle)
        try:
            await asyncio.wait_for(handle.result(), 60)
        except WorkflowFailureError as error:
            sys.stderr.write(f"{recording.name} ended with: {error.cause}\n")
    await write_histories(client, handle, recording.name)


async def write_histories(client: Client, handle: WorkflowHandle[Any, Any], name: str) -> None:
    """Write the history of each run of a workflow to a file."""
    run_id = handle.first_execution_run_id
    number = 1
    while run_id:
        history = await client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
        file = HISTORIES / f"{name}{'' if number == 1 else f'_{number}'}.json"
        file.write_text(json.dumps(without_stack_traces(history.to_json_dict()), indent=1) + "\n")
        run_id = history.events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        number += 1


async def main(names: Sequence[str]) -> None:
    """Record the tasks of these names; all without names."""
    HISTORIES.mkdir(exist_ok=True)
    with TemporaryDirectory() as directory:
        settings = Settings(data_dir=Path(directory), task_queue="recorded")
        async with await WorkflowEnvironment.start_local(
            dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
            search_attributes=SEARCH_ATTRIBUTES,
            dev_server_extra_args=[
                "--dynamic-config-value",
                f"limit.historyCount.suggestContinueAsNew={CONTINUE_AS_NEW_AFTER_EVENTS}",
            ],
        ) as environment:
            address = environment.client.service_client.config.target_host
            client = await Client.connect(address, identity="recorder", data_converter=data_converter(settings))
            for recording in RECORDINGS:
                if not names or recording.name in names:
                    await record(client, settings, recording)
            if not names or CONVERSATION in names:
                handle = await run_conversation(client, settings, CONVERSATION)
                await write_histories(client, handle, CONVERSATION)
            if not names or MOVED in names:
                await write_histories(client, await run_task_that_moves(client, settings, MOVED), MOVED)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
