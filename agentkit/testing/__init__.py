"""Doubles to test agents with: a scripted model in memory, and scripted servers of each provider over real HTTP."""

from __future__ import annotations

from agentkit.testing.scripted_anthropic import ScriptedAnthropicServer
from agentkit.testing.scripted_gemini import GeminiRequest, ScriptedGeminiServer
from agentkit.testing.scripted_model import ModelScript, ScriptedModel, ScriptedResponse
from agentkit.testing.scripted_openai import ScriptedOpenAIServer
from agentkit.testing.server_script import (
    Benchmark,
    Failure,
    Raw,
    ReceivedRequest,
    Reply,
    ReplyCall,
    Script,
    ScriptedAnswer,
    by_step,
    in_order,
)

__all__ = [
    "Benchmark",
    "Failure",
    "GeminiRequest",
    "ModelScript",
    "Raw",
    "ReceivedRequest",
    "Reply",
    "ReplyCall",
    "Script",
    "ScriptedAnswer",
    "ScriptedAnthropicServer",
    "ScriptedGeminiServer",
    "ScriptedModel",
    "ScriptedOpenAIServer",
    "ScriptedResponse",
    "by_step",
    "in_order",
]
