"""Doubles to test agents with: a scripted model in memory, and a scripted OpenAI server over real HTTP."""

from __future__ import annotations

from agentkit.testing.openai_script import (
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
from agentkit.testing.scripted_model import ModelScript, ScriptedModel, ScriptedResponse
from agentkit.testing.scripted_openai import ScriptedOpenAIServer

__all__ = [
    "Benchmark",
    "Failure",
    "ModelScript",
    "Raw",
    "ReceivedRequest",
    "Reply",
    "ReplyCall",
    "Script",
    "ScriptedAnswer",
    "ScriptedModel",
    "ScriptedOpenAIServer",
    "ScriptedResponse",
    "by_step",
    "in_order",
]
