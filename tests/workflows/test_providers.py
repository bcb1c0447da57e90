"""One agent with every provider's own SDK and API: the same transcript, and fallback from one provider to another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from activities.settings import Settings
from agentkit.llm import build_models
from agentkit.messages import Message, TextPart, ToolCall, ToolResult
from agentkit.schemas.output_check import InlineOutputChecker
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
CALLING = ServerResponse(
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


class Servers:
    """One scripted server for each API, and the settings to use them."""

    def __init__(self) -> None:
        working = script_by_step([CALLING, ServerResponse(text=TEXT)])
        self.openai = ScriptedOpenAIServer(self._script("openai", working))
        self.anthropic = ScriptedAnthropicServer(self._script("anthropic", working))
        self.google = ScriptedGeminiServer(self._script("google", working))
        self.broken: str | None = None
        """The server that refuses every request after the first step."""

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

    def _script(self, server: str, working: ServerScript) -> ServerScript:
        return lambda request: (
            ServerFailure(status=403, message="not today")
            if server == self.broken and request.step > 0
            else working(request)
        )


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    servers = Servers()
    async with AsyncExitStack() as stack:
        for server in (servers.openai, servers.anthropic, servers.google):
            await stack.enter_async_context(server)
        yield servers


def shape(message: Message) -> tuple[object, ...]:
    """Return the parts of a message that must not depend on the provider."""
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


async def run(env: TaskEnvironment, servers: Servers, *models: str) -> list[Message]:
    settings = servers.settings(env.settings)
    available = build_models(settings)
    try:
        async with build_worker(env.client, settings, available, ToolRegistry([double]), InlineOutputChecker()):
            agent = env.agent(double, models=models, output_schema=SUM)
            result, handle = await env.run("Twice 20 and twice 1, summed?", agent)
            assert result.output == {"sum": 42}
            return await env.transcript(handle)
    finally:
        for model in available.values():
            await model.aclose()


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
async def test_parallel_tools_and_a_final_object_give_the_same_transcript_with_every_provider(
    env: TaskEnvironment, servers: Servers, model: str
) -> None:
    transcript = await run(env, servers, model)
    assert [shape(message) for message in transcript] == EXPECTED
    calls = transcript[1].tool_calls
    results = [part for part in transcript[2].parts if isinstance(part, ToolResult)]
    assert [result.call_id for result in results] == [call.id for call in calls]
    assert len({call.id for call in calls}) == 2


@pytest.mark.parametrize(
    ("first", "broken", "second"),
    [
        ("responses", "openai", "anthropic"),
        ("anthropic", "anthropic", "google"),
        ("google", "google", "responses"),
        ("google", "google", "openrouter"),
    ],
)
async def test_another_provider_continues_a_task_when_the_first_refuses(
    env: TaskEnvironment, servers: Servers, first: str, broken: str, second: str
) -> None:
    servers.broken = broken
    transcript = await run(env, servers, MODELS[first], MODELS[second])
    assert [shape(message) for message in transcript] == EXPECTED
    assert [message.model for message in transcript if message.role == "assistant"] == [MODELS[first], MODELS[second]]
