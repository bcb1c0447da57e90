"""Continue-as-new after every step gives the same transcript, ledger, requests and events as without."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall
from agentkit.specs import CompactionSettings, PolicyRule
from agentkit.testing import ScriptedCompactor, ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from tests.workflows.answering import pending_requests
from tests.workflows.compacting import look, looking, response
from tests.workflows.conftest import Handle, TaskEnvironment
from tests.workflows.run_events import events_of_runs, without_times
from tests.workflows.steering_calls import answer_now
from workflows.agent_task import AgentTask
from workflows.task_types import StepEnds, TaskResult

_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.+]+|task-[0-9a-f]{32}")
PAGE = "page " * 10_000
"""Longer than what is kept in history, and than what a model reads of a result."""


def paying(number: int) -> ToolCall:
    return ToolCall(id=f"p{number}", name="pay", arguments={"number": number})


RESPONSES: Sequence[ScriptedResponse] = [
    response(looking(1)),
    response(paying(17)),  # a person approves it, and all calls like it
    "",  # feedback by the planner
    response(ToolCall(id="r", name="read_page")),
    response(looking(2)),
    response(looking(2)),
    response(looking(2), 9_000),  # the third time in a row, and the share of the window
    response(paying(17)),  # allowed by what the person has said before
    paying(18),  # which a person denies
    response(looking(5), 9_000),
    response(looking(6)),  # beyond max_steps, which a person raises
    "All is done.",
]


class Outcome:
    """What a task did, without times and ids of tasks."""

    def __init__(self, env: TaskEnvironment) -> None:
        self._env = env
        self.model = ScriptedModel(self._respond)
        self.compactor = ScriptedCompactor(keep=2)
        self.paid: list[int] = []
        self.found: dict[str, Any] = {}

    async def _respond(self, request: ModelRequest) -> ScriptedResponse:
        return RESPONSES[len(self.model.requests) - 1]

    async def run(self) -> Handle:
        """Run the task as a person would see it through."""

        @tool(effect="irreversible")
        def pay(number: int) -> str:
            self.paid.append(number)
            return f"paid {number}"

        @tool(effect="pure")
        def read_page() -> str:
            return PAGE

        agent = self._env.agent(
            look,
            pay,
            read_page,
            policy=(PolicyRule(tool="pay", then="ask"),),
            compaction=CompactionSettings(window=10_000),
            limits={"max_steps": 10, "on_exhausted": "ask"},
        )
        async with self._env.worker(self.model, look, pay, read_page, compactor=self.compactor):
            handle = await self._env.start("Pay and look.", agent)
            newest = self._env.client.get_workflow_handle(handle.id, result_type=TaskResult)
            await pending_requests(newest)
            await newest.signal("send_message", {"text": "Be quick.", "id": "m1"})
            await answer_now(newest, "input_1", "approve", remember="task_same_arguments")
            await self._until_asked(newest, "input_2")
            await answer_now(newest, "input_2", "deny", comment="Not this one")
            await self._until_asked(newest, "input_3")
            await answer_now(newest, "input_3", "raise", limits={"max_steps": 20})
            result = await self._env.result(newest)
            await self._read(newest)
        self.found["result"] = result
        return newest

    async def _until_asked(self, handle: Handle, request_id: str) -> None:
        while (await pending_requests(handle))[0].id != request_id:
            pass

    async def _read(self, handle: Handle) -> None:
        page = await handle.query(AgentTask.transcript)
        versions = range(1, page.versions + 1)
        transcripts = [await self._env.transcript(handle, version=version) for version in versions]
        ledger = (await handle.query(AgentTask.tool_calls)).tool_calls
        times = {"proposed_at", "started_at", "ended_at", "idempotency_key"}
        ends = await handle.query("step_ends", result_type=StepEnds)
        self.found |= {
            "versions": [[_plain(message) for message in transcript] for transcript in transcripts],
            "requests": [[_plain(message) for message in request.messages] for request in self.model.requests],
            "facts": [[_TIME.sub("", fact) for fact in request.facts] for request in self.compactor.requests],
            "ledger": [entry.model_dump(exclude=times) for entry in ledger],
            "ends": [ends.ends, [(each.end, each.written, each.last_step) for each in ends.replaced]],
            "events": [without_times(event) for event in await events_of_runs(self._env, handle.id)],
            "paid": self.paid,
        }


def _plain(message: Any) -> Any:
    return re.sub(r'"claim":\{[^}]*\}', "", _TIME.sub("", message.canonical_json().decode()))


async def runs_of(env: TaskEnvironment, handle: Handle) -> int:
    count, run_id = 0, None
    while run_id != "":
        history = env.client.get_workflow_handle(handle.id, run_id=run_id).fetch_history_events(page_size=1)
        first = await anext(aiter(history))
        run_id = first.workflow_execution_started_event_attributes.continued_execution_run_id
        count += 1
    return count


async def test_continue_as_new_at_every_step_changes_nothing_that_anyone_can_see(
    env: TaskEnvironment, each_step_env: TaskEnvironment
) -> None:
    plain, continued = Outcome(env), Outcome(each_step_env)
    plain_handle, continued_handle = await plain.run(), await continued.run()
    assert await runs_of(env, plain_handle) == 1
    assert await runs_of(each_step_env, continued_handle) >= len(RESPONSES) - 1
    assert plain.found["paid"] == [17, 17]
    assert len(plain.found["versions"]) == 3
    for name, value in plain.found.items():
        assert continued.found[name] == value, name
