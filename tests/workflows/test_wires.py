"""The same agent over every provider's own SDK and wire: the same transcript, and fallback from one to another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from activities.settings import Settings
from agentkit.llm import build_models
from agentkit.messages import Message, TextPart, ToolCall, ToolResult
from agentkit.testing import (
    ScriptedAnthropicServer,
    ScriptedGeminiServer,
    ScriptedOpenAIServer,
    ServerFailure,
    ServerResponse,
    ServerScript,
    ServerToolCall,
    script_by_step,
)
from agentkit.tools import ToolRegistry, tool
from worker import build_worker

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment

TEXT = '{"sum": 42}'
SUM = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"], "additionalProperties": False}
WORKING = ServerResponse(
    calls=(
        ServerToolCall(name="double", arguments={"number": 20}),
        ServerToolCall(name="double", arguments={"number": 1}),
    )
)
MODELS = {
    "chat": "openai-compatible:m",
    "responses": "openai:gpt-5-mini",
    "anthropic": "anthropic:claude-sonnet-5-5",
    "google": "google:gemini-3.8-flash",
    "openrouter": "openrouter:openai/gpt-5-mini",
}


@tool(effect="pure")
def double(number: int) -> int:
    return 2 * number


class Wires:
    """One scripted server for each provider, and settings that lead there."""

    def __init__(self) -> None:
        working = script_by_step([WORKING, ServerResponse(text=TEXT)])
        self.openai = ScriptedOpenAIServer(self._by_provider("openai", working))
        self.anthropic = ScriptedAnthropicServer(self._by_provider("anthropic", working))
        self.google = ScriptedGeminiServer(self._by_provider("google", working))
        self.broken: set[str] = set()
        """Providers that refuse every request from the second step on."""

    def settings(self, settings: Settings) -> Settings:
        key = SecretStr("sk-test-0123456789")
        return settings.model_copy(
            update={
                "openai_api_key": key,
                "openai_base_url": self.openai.url,
                "openai_api": "responses",
                "openai_compatible_base_url": self.openai.url,
                "openrouter_api_key": key,
                "openrouter_base_url": self.openai.url,
                "anthropic_api_key": key,
                "anthropic_base_url": self.anthropic.url,
                "google_api_key": key,
                "google_base_url": self.google.url,
            }
        )

    def _by_provider(self, provider: str, working: ServerScript) -> ServerScript:
        return lambda request: (
            ServerFailure(status=403, message="not today")
            if provider in self.broken and request.step > 0
            else working(request)
        )


@pytest.fixture
async def wires() -> AsyncIterator[Wires]:
    wires = Wires()
    async with AsyncExitStack() as stack:
        for server in (wires.openai, wires.anthropic, wires.google):
            await stack.enter_async_context(server)
        yield wires


def shape(message: Message) -> tuple[object, ...]:
    """Return what must not depend on the provider."""
    parts: list[object] = []
    for part in message.parts:
        match part:
            case ToolCall():
                parts.append((part.name, part.arguments))
            case ToolResult():
                parts.append((part.name, part.content, part.is_error))
            case TextPart():
                parts.append(part.text)
    return (message.role, *parts)


EXPECTED = [
    ("user", "Twice 20 and twice 1, summed?"),
    ("assistant", ("double", {"number": 20}), ("double", {"number": 1})),
    ("tool", ("double", "40", False), ("double", "2", False)),
    ("assistant", TEXT),
]


async def run(env: TaskEnvironment, wires: Wires, *models: str) -> list[Message]:
    settings = wires.settings(env.settings)
    served = build_models(settings)
    try:
        async with build_worker(env.client, settings, served, ToolRegistry([double])):
            agent = env.agent(double, models=models, output_schema=SUM)
            result, handle = await env.run("Twice 20 and twice 1, summed?", agent)
            assert result.output == {"sum": 42}
            return await env.transcript(handle)
    finally:
        for model in served.values():
            await model.aclose()


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
async def test_two_parallel_tools_then_an_object_leave_the_same_transcript_on_every_wire(
    env: TaskEnvironment, wires: Wires, model: str
) -> None:
    transcript = await run(env, wires, model)
    assert [shape(message) for message in transcript] == EXPECTED
    calls = transcript[1].tool_calls
    results = [part for part in transcript[2].parts if isinstance(part, ToolResult)]
    assert [result.call_id for result in results] == [call.id for call in calls]
    assert len({call.id for call in calls}) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [("responses", "anthropic"), ("anthropic", "google"), ("google", "responses"), ("google", "openrouter")],
)
async def test_another_provider_takes_over_in_mid_task(
    env: TaskEnvironment, wires: Wires, first: str, second: str
) -> None:
    wires.broken = {"openai" if first == "responses" else first}
    if second in ("responses", "openrouter"):
        wires.broken.discard("openai")
    transcript = await run(env, wires, MODELS[first], MODELS[second])
    assert [shape(message) for message in transcript] == EXPECTED
    assert [message.model for message in transcript if message.role == "assistant"] == [MODELS[first], MODELS[second]]
