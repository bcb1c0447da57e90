"""An agent that pays: its calls wait for people; and requests about them over REST."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from temporalio.worker import Worker

from activities.settings import Settings
from agentkit.interfaces import Compactor, ModelRequest
from agentkit.messages import ToolCall
from agentkit.testing import ModelScript, ScriptedResponse
from agentkit.tools import tool
from tests.integration.api.conftest import ApiHarness, eventually, settings_for

CLERK: dict[str, Any] = {
    "name": "clerk",
    "model": "demo:demo",
    "tools": ["pay"],
    "policy": [{"tool": "pay", "if": {"cents": {"gt": 1_000}}, "then": "deny"}],
}


def clerk(*rules: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a definition of the agent, with more rules of its policy."""
    return {**CLERK, "policy": [*CLERK["policy"], *rules], **changes}


def pay_call(number: int = 1, cents: int = 700) -> ToolCall:
    """Return a call that needs approval."""
    return ToolCall(id=f"call_{number}", name="pay", arguments={"cents": cents})


_PAY = '''
from agentkit.tools import tool


@tool(effect="irreversible")
def pay(cents: int) -> str:
    """Pay."""
    raise NotImplementedError("the workers of the tests have their own")
'''


def payments_settings(directory: Path, temporal_port: int) -> Settings:
    """Return settings whose app has the tool ``pay``."""
    settings = settings_for(directory, temporal_port)
    tools = settings.app_dir / "tools"
    tools.mkdir()
    (tools / "pay.py").write_text(_PAY)
    return settings


def by_step(*responses: ScriptedResponse) -> ModelScript:
    """Return a script that responds by the number of assistant messages, the last one again and again."""

    async def respond(request: ModelRequest) -> ScriptedResponse:
        step = sum(message.role == "assistant" for message in request.messages)
        return responses[min(step, len(responses) - 1)]

    return respond


@dataclass
class Payments:
    """What was paid by the workers of ``worker``."""

    api: ApiHarness
    paid: list[int] = field(default_factory=list)

    def worker(self, script: Sequence[ScriptedResponse] | ModelScript, compactor: Compactor | None = None) -> Worker:
        """Return a worker with a scripted model, the same for each task, and the tool ``pay``."""

        @tool(effect="irreversible")
        def pay(cents: int) -> str:
            self.paid.append(cents)
            return f"paid {cents}"

        return self.api.worker(script, pay, compactor=compactor)

    async def waiting(self, *rules: dict[str, Any], count: int = 1, **body: Any) -> dict[str, Any]:
        """Start a task and return it as soon as it has so many pending requests."""
        agent = body.pop("agent_spec", None) or clerk(*rules)
        task_id = await self.api.submit(agent=None, agent_spec=agent, **body)
        return await eventually(lambda: self.api.task(task_id), lambda task: len(task["input_requests"]) == count)

    async def answer(
        self,
        task: dict[str, Any],
        decision: str = "approve",
        *,
        request_id: str = "input_1",
        key: str = "",
        **body: Any,
    ) -> httpx2.Response:
        """Answer a request of a task."""
        return await self.api.http.post(
            f"/api/v1/tasks/{task['id']}/input-requests/{request_id}",
            json={"decision": decision, **body},
            headers={"Idempotency-Key": key} if key else {},
        )


def problem_of(response: httpx2.Response) -> tuple[int, str]:
    """Return status and kind of a problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["type"].removeprefix("urn:opspawn:problem:")
