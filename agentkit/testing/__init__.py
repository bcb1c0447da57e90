"""Test doubles: scripted models and MCP servers in memory, and servers with each provider's API over real HTTP."""

from __future__ import annotations

from agentkit.testing.in_memory_memory import InMemoryMemory
from agentkit.testing.memory_token_store import MemoryTokenStore
from agentkit.testing.scripted_anthropic import ScriptedAnthropicServer
from agentkit.testing.scripted_compactor import ScriptedCompactor
from agentkit.testing.scripted_embeddings import ReceivedEmbeddingRequest
from agentkit.testing.scripted_gemini import ReceivedGeminiRequest, ScriptedGeminiServer
from agentkit.testing.scripted_mcp_servers import ScriptedMcpServer, ScriptedMcpServers, ScriptedMcpTool
from agentkit.testing.scripted_model import ModelScript, ScriptedModel, ScriptedResponse
from agentkit.testing.scripted_openai import ScriptedOpenAIServer
from agentkit.testing.server_script import (
    BenchmarkTask,
    RawResponse,
    ReceivedRequest,
    ServerFailure,
    ServerResponse,
    ServerScript,
    ServerScriptEntry,
    ServerToolCall,
    script_by_step,
    script_in_order,
)
from agentkit.testing.word_embedder import WordEmbedder

__all__ = [
    "BenchmarkTask",
    "InMemoryMemory",
    "MemoryTokenStore",
    "ModelScript",
    "RawResponse",
    "ReceivedEmbeddingRequest",
    "ReceivedGeminiRequest",
    "ReceivedRequest",
    "ScriptedAnthropicServer",
    "ScriptedCompactor",
    "ScriptedGeminiServer",
    "ScriptedMcpServer",
    "ScriptedMcpServers",
    "ScriptedMcpTool",
    "ScriptedModel",
    "ScriptedOpenAIServer",
    "ScriptedResponse",
    "ServerFailure",
    "ServerResponse",
    "ServerScript",
    "ServerScriptEntry",
    "ServerToolCall",
    "WordEmbedder",
    "script_by_step",
    "script_in_order",
]
