from __future__ import annotations

from pathlib import Path

from activities.settings import Settings
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.temporal.client import connect
from activities.worker_activities import worker_activities
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.tools import ToolRegistry


async def test_a_worker_registers_each_activity_that_tasks_and_the_api_use(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, temporal_port=1)
    client = await connect(settings, lazy=True)
    reader = TranscriptReader(client, TranscriptCache(1_000))
    activities = worker_activities(client, settings, {}, ToolRegistry([]), reader, InlineOutputChecker())
    assert [function.__name__ for function in activities] == [
        "request_model",
        "sample_model",
        "call_tool",
        "list_mcp_tools",
        *("query_servers", "query_tools", "query_resources", "query_prompts", "read_content"),
        "describe_mcp_tools",
        "check_input",
        "notify_input_request",
        "store_messages",
        "compact_transcript",
        *("read_task_end", "take_turn"),
        "erase_executions",
        "describe_worker",
    ]
