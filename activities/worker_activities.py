"""The activities that a worker registers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from temporalio.client import Client

from activities.conversations.conversation_turns import ConversationActivities
from activities.execution_erasure import ErasureActivity
from activities.input_checks import InputCheckActivity
from activities.input_webhook import InputWebhookActivity
from activities.mcp.mcp_describing import McpDescribingActivity
from activities.mcp.mcp_listing import McpListingActivity
from activities.mcp.mcp_queries import McpQueryActivities
from activities.model import ModelActivities
from activities.settings import Settings
from activities.storage.message_storing import StoringActivity
from activities.storage.transcript_reader import TranscriptReader
from activities.streaming.token_streams import TokenPublisher
from activities.temporal.worker_identity import own_identity
from activities.tool import ToolActivities
from activities.tool_calls import ToolCalls
from activities.transcript_compaction import CompactionActivity
from activities.worker.worker_description import WorkerDescriptionActivity
from agentkit.interfaces import Compactor, HttpClient, McpServers, Model, NoMcpServers, OutputChecker, Secrets, Toolset
from agentkit.runtime.compaction.model_compactor import ModelCompactor

__all__ = ["worker_activities"]


def worker_activities(
    client: Client,
    settings: Settings,
    models: Mapping[str, Model],
    toolset: Toolset,
    reader: TranscriptReader,
    checker: OutputChecker,
    publisher: TokenPublisher | None = None,
    tool_calls: ToolCalls | None = None,
    secrets: Secrets | None = None,
    webhook_client: HttpClient | None = None,
    mcp_servers: McpServers | None = None,
    compactor: Compactor | None = None,
) -> Sequence[Callable[..., Any]]:
    """Return the activities, made of the parts that they need."""
    model_activities = ModelActivities(models, reader, checker, publisher)
    return [
        model_activities.request_model,
        model_activities.sample_model,
        ToolActivities(toolset, tool_calls, str(own_identity(settings)), secrets, client, mcp_servers).call_tool,
        McpListingActivity(mcp_servers or NoMcpServers()).list_mcp_tools,
        *McpQueryActivities(mcp_servers or NoMcpServers()).all,
        McpDescribingActivity(mcp_servers or NoMcpServers(), checker).describe_mcp_tools,
        InputCheckActivity(checker).check_input,
        InputWebhookActivity(settings, webhook_client).notify_input_request,
        StoringActivity(client, reader).store_messages,
        CompactionActivity(client, reader, compactor or ModelCompactor(models)).compact_transcript,
        *ConversationActivities(client, reader).all,
        ErasureActivity(client, settings).erase_executions,
        WorkerDescriptionActivity(settings, toolset, models, tool_calls, secrets).describe_worker,
    ]
