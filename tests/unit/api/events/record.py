"""Record histories for the tests of events: ``python -m tests.unit.api.events.record``.

With names as arguments, only those are recorded. ``--golden`` writes the golden lists instead; review their diff.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from temporalio.client import Client, WorkflowFailureError
from temporalio.testing import WorkflowEnvironment

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from agentkit.errors import ModelNotAuthorized, ToolError
from agentkit.interfaces import ModelRequest
from agentkit.messages import ImagePart, TextPart, ToolCall, user_message
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec, Limits
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import ToolRegistry, tool
from tests.replay.record import AGENT, Handle, call, cancel_at_first_activity, respond_never, without_stack_traces
from tests.unit.api.events.golden import GOLDEN, HISTORIES, RECORDED_HERE, golden_lines
from worker import build_worker
from workflows.agent_task import AgentTask
from workflows.search_attributes import SEARCH_ATTRIBUTES
from workflows.task_types import TaskInput


@tool(effect="idempotent")
def double(number: int) -> int:
    """Double a number."""
    if number > 100:
        raise ToolError("That is too large. Send a smaller number.")
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
    return "gone"


TOOLS = ToolRegistry([double, half, launch])
RECORDED_AGENT = AGENT.model_copy(update={"tools": tuple(TOOLS.specs())})


async def second_model_only(request: ModelRequest) -> ScriptedResponse:
    """Fail as the first model of a chain; respond as the second."""
    return ModelNotAuthorized("No key.", status=401) if request.model == "scripted:first" else "From the second."


async def terminate_at_first_activity(handle: Handle) -> None:
    """Terminate once the model activity is scheduled."""
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.HasField("activity_task_scheduled_event_attributes"):
            await handle.terminate(reason="Enough.")
            return


@dataclass(frozen=True)
class Scenario:
    """A task to record."""

    script: Sequence[ScriptedResponse] | Callable[[ModelRequest], Awaitable[ScriptedResponse]]
    agent: AgentSpec = RECORDED_AGENT
    act: Callable[[Handle], Awaitable[None]] | None = None
    execution_timeout: timedelta | None = None
    with_image: bool = False


def agent_with(**fields: object) -> AgentSpec:
    """Return the agent with other fields."""
    return RECORDED_AGENT.model_copy(update=fields)


SCENARIOS = {
    "fallback_to_another_model": Scenario(second_model_only, agent_with(models=("scripted:first", "scripted:second"))),
    "plan": Scenario(
        ['{"plan": ["double 21", "answer"]}', call("double", "1", 21), "42"],
        agent_with(planner="plan"),
        with_image=True,
    ),
    "react_with_fast_tools": Scenario(
        [
            '{"thought": "t", "action": {"name": "half", "arguments": {"number": 84}}}',
            '{"thought": "t", "action": {"name": "finish", "arguments": {"answer": "42"}}}',
        ],
        agent_with(planner="react"),
    ),
    "react_with_a_refused_call": Scenario(
        [
            '{"thought": "t", "action": {"name": "launch", "arguments": {"number": 1}}}',
            '{"thought": "t", "action": {"name": "finish", "arguments": {"answer": "Not launched."}}}',
        ],
        agent_with(planner="react"),
    ),
    "refused_and_parallel_calls": Scenario(
        [
            [
                call("half", "a", 4),
                call("launch", "b", 1),
                call("half", "c", 5),
                call("double", "d", 101),
                ToolCall(id="e", name="half", malformed="{"),
                call("half", "f", 8),
            ],
            "Done.",
        ]
    ),
    "failure_after_feedback": Scenario(["", ModelNotAuthorized("Incorrect API key provided.", status=401)]),
    "terminated": Scenario(respond_never, act=terminate_at_first_activity),
    "cancelled_at_once": Scenario(respond_never, act=cancel_at_first_activity),
    "deadline": Scenario(respond_never, agent_with(limits=Limits(deadline=0.3))),
    "execution_timeout": Scenario(respond_never, execution_timeout=timedelta(seconds=1)),
    "no_model_call": Scenario(["unused"], agent_with(planner="placeholder")),
}


async def record(client: Client, settings: Settings, name: str, scenario: Scenario) -> None:
    """Run the task, and write its history to a file."""
    message = user_message(f"Show {name}.")
    if scenario.with_image:
        message = user_message((TextPart(text="Look."), ImagePart(url="https://images.example/one.png")))
    async with build_worker(
        client, settings, {"scripted": ScriptedModel(scenario.script)}, TOOLS, InlineOutputChecker()
    ):
        handle = await client.start_workflow(
            AgentTask.run,
            TaskInput(agent=scenario.agent, message=message),
            id=f"recorded-{name}",
            task_queue=settings.task_queue,
            execution_timeout=scenario.execution_timeout,
        )
        if scenario.act is not None:
            await scenario.act(handle)
        try:
            await asyncio.wait_for(handle.result(), 60)
        except WorkflowFailureError as error:
            sys.stderr.write(f"{name} ended with: {error.cause}\n")
        history = await handle.fetch_history()
    (HISTORIES / f"{name}.json").write_text(json.dumps(without_stack_traces(history.to_json_dict()), indent=1) + "\n")


async def main(names: Sequence[str]) -> None:
    """Record the scenarios named, or all; or write the golden lists."""
    if "--golden" in names:
        GOLDEN.mkdir(exist_ok=True)
        for name in RECORDED_HERE:
            (GOLDEN / f"{name}.jsonl").write_text("\n".join(await golden_lines(name)) + "\n")
        return
    HISTORIES.mkdir(exist_ok=True)
    with TemporaryDirectory() as directory:
        settings = Settings(data_dir=Path(directory), task_queue="recorded")
        async with await WorkflowEnvironment.start_local(
            dev_server_existing_path=str(Path(sys.executable).parent / "temporal"), search_attributes=SEARCH_ATTRIBUTES
        ) as environment:
            address = environment.client.service_client.config.target_host
            client = await Client.connect(address, identity="recorder", data_converter=data_converter(settings))
            for name, scenario in SCENARIOS.items():
                if not names or name in names:
                    await record(client, settings, name, scenario)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
