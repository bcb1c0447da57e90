"""Providers' keys do not leave the worker, even if a provider quotes them and the task fails."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from agentkit.llm import build_models
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.testing import (
    ReceivedRequest,
    ScriptedAnthropicServer,
    ScriptedGeminiServer,
    ScriptedOpenAIServer,
    ServerFailure,
)
from agentkit.tools import ToolRegistry
from worker import build_worker

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment

SECRET = "s3cr3t5h0uldn3v3rb3s33n"
KEYS = {
    "openai": f"sk-proj-{SECRET}",
    "openai_compatible": f"gsk_{SECRET}",
    "openrouter": f"sk-or-v1-{SECRET}",
    "anthropic": f"sk-ant-api03-{SECRET}",
    "google": f"AIzaSy{SECRET}",
}
MODELS = (
    "openai:gpt-5-mini",
    "openai-compatible:m",
    "openrouter:openai/gpt-5-mini",
    "anthropic:claude-sonnet-5-5",
    "google:gemini-3.8-flash",
)


def quote_headers(request: ReceivedRequest) -> ServerFailure:
    """Refuse a request and quote its headers, including the key, as a careless proxy does."""
    return ServerFailure(status=401, message=f"Wrong key, got {dict(request.headers)}")


async def test_keys_are_in_no_history_log_error_or_repr(env: TaskEnvironment, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    openai, anthropic, google = (
        server(quote_headers) for server in (ScriptedOpenAIServer, ScriptedAnthropicServer, ScriptedGeminiServer)
    )
    async with AsyncExitStack() as stack:
        for server in (openai, anthropic, google):
            await stack.enter_async_context(server)
        urls = {"anthropic": anthropic.url, "google": google.url}
        updates: dict[str, object] = {f"{name}_api_key": SecretStr(key) for name, key in KEYS.items()}
        updates |= {f"{name}_base_url": urls.get(name, openai.url) for name in KEYS}
        settings = env.settings.model_copy(update=updates)
        models = build_models(settings)
        for model in models.values():
            stack.push_async_callback(model.aclose)
        async with build_worker(env.client, settings, models, ToolRegistry([]), InlineOutputChecker()):
            handle = await env.start("Go.", env.agent(models=MODELS))
            raised, failure = await env.failure(handle)
            details = str(await handle.query("__temporal_workflow_metadata"))
    received = [request for server in (openai, anthropic, google) for request in server.requests]
    assert len(received) == len(MODELS)
    assert all(SECRET in str(request.headers) for request in received)
    assert "[key]" in failure.message
    history = b"".join(event.SerializeToString() for event in await env.history(handle))
    assert b"Wrong key" in history
    assert SECRET.encode() not in history
    for text in (details, caplog.text, repr(raised), repr(settings), repr(models)):
        assert SECRET not in text
