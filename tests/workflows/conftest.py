"""A real Temporal server for all tests here; a task queue, a client and a data directory for each test."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.client import Interceptor as ClientInterceptor
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Interceptor, Worker

from activities.model import ModelActivities
from activities.payload_types import TranscriptRange
from activities.settings import Settings
from activities.storage.message_storage import MessageStorage
from activities.storage.message_storing import StoringActivity
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.temporal.data_converter import data_converter
from activities.tool import ToolActivities
from activities.transcript_compaction import CompactionActivity
from agentkit.interfaces import Compactor, McpServers, Model, Tool
from agentkit.messages import Message, ToolResult, user_message
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedCompactor
from agentkit.tools import ToolRegistry
from tests.bucket_server import BucketServer, bucket_server
from tests.workflows.repeated_queries import RepeatedQueries
from worker import build_worker
from workflows.agent_task import AgentTask
from workflows.search_attributes import SEARCH_ATTRIBUTES
from workflows.task_types import TaskFailure, TaskInput, TaskResult
from workflows.workflow_sandbox import sandboxed_runner

BIN = Path(sys.executable).parent

TIMEOUT_S = 30.0
"""Limit of each wait of a test; most take well under a second."""

Handle = WorkflowHandle[AgentTask, TaskResult]


def run_dev_server(*dynamic_config: str) -> Iterator[str]:
    """Run a Temporal dev server and yield its address.

    It has an event loop of its own, so that tests with different loops may share it. ``dynamic_config`` are settings
    of the server, each as ``key=value``.
    """
    intervals = [f'history.{kind}ProcessorUpdateAckInterval="200ms"' for kind in ("transfer", "visibility")]
    # An ended workflow is deleted once the server has noted that its end was processed: else after up to 30 s.
    values = ("history.transferProcessorMaxPollRPS=2000", *intervals, *dynamic_config)
    with asyncio.Runner() as runner:
        environment = runner.run(
            WorkflowEnvironment.start_local(
                dev_server_existing_path=str(BIN / "temporal"),
                search_attributes=SEARCH_ATTRIBUTES,
                dev_server_extra_args=[arg for value in values for arg in ("--dynamic-config-value", value)],
            )
        )
        yield environment.client.service_client.config.target_host
        runner.run(environment.shutdown())


async def start_time_skipping_server(settings: Settings) -> WorkflowEnvironment:
    """Start a server that skips time while no workflow task or activity runs."""
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(BIN / "temporal-test-server"), data_converter=data_converter(settings)
    )
    types = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in SEARCH_ATTRIBUTES}
    await environment.client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=environment.client.namespace, search_attributes=types)
    )
    return environment


@dataclass(frozen=True)
class TaskEnvironment:
    """A client and settings with a task queue of their own, and methods to run workers and tasks on it."""

    client: Client
    settings: Settings

    def without_payload_storage(self) -> TaskEnvironment:
        """Return this environment with all payloads in history itself, however large."""
        settings = self.settings.model_copy(update={"payload_threshold_bytes": 2**31})
        return TaskEnvironment(
            Client(
                self.client.service_client, data_converter=data_converter(settings), interceptors=[RepeatedQueries()]
            ),
            settings,
        )

    def with_interceptor(self, interceptor: ClientInterceptor) -> TaskEnvironment:
        """Return this environment with an interceptor on its client, and on its workers if it is one of both kinds."""
        client = Client(
            self.client.service_client,
            data_converter=self.client.data_converter,
            interceptors=[interceptor, RepeatedQueries()],
        )
        return TaskEnvironment(client, self.settings)

    def agent(self, *tools: Tool, **fields: Any) -> AgentSpec:
        """Return an agent with these tools."""
        specs = tuple(tool.spec for tool in tools)
        return AgentSpec(**{"name": "a", "models": ("scripted:m",), "planner": "tools", "tools": specs, **fields})

    def worker(
        self,
        model: Model,
        *tools: Tool,
        mcp: McpServers | None = None,
        compactor: Compactor | None = None,
        **changed: Any,
    ) -> Worker:
        """Return the worker that we ship; ``changed`` replaces settings."""
        settings = self.settings.model_copy(update=changed)
        parts = (self.client, settings, {"scripted": model}, ToolRegistry(tools), InlineOutputChecker())
        return build_worker(*parts, mcp_servers=mcp, compactor=compactor)

    def worker_without_sharing(
        self,
        model: Model,
        *tools: Tool,
        cache: TranscriptCache | None = None,
        interceptors: Sequence[Interceptor] = (),
        compactor: Compactor | None = None,
    ) -> Worker:
        """Return a worker without ``TranscriptSharing``: its model activity queries what ``cache`` lacks."""
        reader = TranscriptReader(self.client, cache or TranscriptCache(1_000_000))
        return Worker(
            self.client,
            task_queue=self.settings.task_queue,
            workflows=[AgentTask],
            activities=[
                ModelActivities({"scripted": model}, reader, InlineOutputChecker()).request_model,
                ToolActivities(ToolRegistry(tools)).call_tool,
                StoringActivity(self.client, reader).store_messages,
                CompactionActivity(self.client, reader, compactor or ScriptedCompactor()).compact_transcript,
            ],
            interceptors=interceptors,
            workflow_runner=sandboxed_runner(),
        )

    async def start(
        self, message: str | Message, agent: AgentSpec | None = None, *, start_at: datetime | None = None
    ) -> Handle:
        """Start a task. With ``start_at``, as an update wakes it that comes before that time."""
        first = user_message(message) if isinstance(message, str) else message
        return await self.client.start_workflow(
            AgentTask.run,
            TaskInput(agent=agent or self.agent(), message=first, start_at=start_at),
            id=f"task-{uuid.uuid4().hex}",
            task_queue=self.settings.task_queue,
        )

    async def run(self, message: str | Message, agent: AgentSpec | None = None) -> tuple[TaskResult, Handle]:
        """Start a task and wait for its result."""
        handle = await self.start(message, agent)
        return await self.result(handle), handle

    async def result(self, handle: Handle) -> TaskResult:
        """Wait for the result of a task."""
        return await asyncio.wait_for(handle.result(), TIMEOUT_S)

    async def failure(self, handle: Handle) -> tuple[ApplicationError, TaskFailure]:
        """Wait for a task to fail; return the error and its first detail."""
        with pytest.raises(WorkflowFailureError) as raised:
            await self.result(handle)
        error = raised.value.cause
        assert isinstance(error, ApplicationError), repr(error)
        converter = self.client.data_converter.payload_converter
        (detail,) = converter.from_payloads(converter.to_payloads(error.details[:1]), [TaskFailure])
        return error, detail

    async def transcript(self, handle: Handle, start: int = 0, version: int | None = None) -> list[Message]:
        """Query all messages from a position on, page by page, of the newest version unless another is given."""
        messages: list[Message] = []
        total = start + 1
        while (position := start + len(messages)) < total:
            page = await handle.query(AgentTask.transcript, TranscriptRange(start=position, version=version))
            for stored in page.stored:
                messages += await MessageStorage(self.client).read(stored, start + len(messages))
            messages += page.messages
            total = page.total
        return messages

    async def tool_results(self, handle: Handle) -> list[ToolResult]:
        """Query all tool results, in the order of the transcript."""
        messages = await self.transcript(handle)
        return [part for message in messages for part in message.parts if isinstance(part, ToolResult)]

    async def history(self, handle: Handle) -> list[HistoryEvent]:
        """Return all history events of a task's newest run."""
        return list((await handle.fetch_history()).events)


@pytest.fixture(scope="session")
def temporal_address() -> Iterator[str]:
    """The address of the Temporal server that the tests share."""
    yield from run_dev_server()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a task queue and a data directory of their own."""
    return Settings(data_dir=tmp_path, task_queue=f"queue-{uuid.uuid4().hex}")


@pytest.fixture
async def env(temporal_address: str, settings: Settings) -> TaskEnvironment:
    """An environment of the test's own on the shared server."""
    return TaskEnvironment(
        await Client.connect(
            temporal_address, data_converter=data_converter(settings), interceptors=[RepeatedQueries()]
        ),
        settings,
    )


@pytest.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BucketServer]:
    """A server with an empty bucket, and the variables with which the S3 storage uses it."""
    async with bucket_server() as server:
        variables = {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "REGION": "us-east-1"}
        for name, value in {**variables, "ENDPOINT_URL": server.url}.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        yield server


@pytest.fixture(scope="session")
def short_history_address() -> Iterator[str]:
    """The address of a server that suggests continue-as-new after 40 events."""
    no_delay = 'history.workflowIdReuseMinimalInterval="0s"'  # else each new run waits for a second
    yield from run_dev_server("limit.historyCount.suggestContinueAsNew=40", no_delay)


@pytest.fixture
async def short_history_env(short_history_address: str, settings: Settings) -> TaskEnvironment:
    """An environment whose tasks continue as new every few steps."""
    client = await Client.connect(
        short_history_address, data_converter=data_converter(settings), interceptors=[RepeatedQueries()]
    )
    return TaskEnvironment(client, settings)


@pytest.fixture(scope="session")
def each_step_address() -> Iterator[str]:
    """The address of a server that suggests continue-as-new after each model call."""
    no_delay = 'history.workflowIdReuseMinimalInterval="0s"'
    yield from run_dev_server("limit.historyCount.suggestContinueAsNew=8", no_delay)


@pytest.fixture
async def each_step_env(each_step_address: str, settings: Settings) -> TaskEnvironment:
    """An environment whose tasks continue as new after each step."""
    settings = settings.model_copy(update={"data_dir": settings.data_dir / "each-step"})
    client = await Client.connect(
        each_step_address, data_converter=data_converter(settings), interceptors=[RepeatedQueries()]
    )
    return TaskEnvironment(client, settings)


@pytest.fixture
async def time_skipping_server(settings: Settings) -> AsyncIterator[WorkflowEnvironment]:
    """A server that skips time while no workflow task or activity runs."""
    async with await start_time_skipping_server(settings) as environment:
        yield environment


@pytest.fixture
def time_skipping_env(time_skipping_server: WorkflowEnvironment, settings: Settings) -> TaskEnvironment:
    """An environment on the time-skipping server."""
    return TaskEnvironment(time_skipping_server.client, settings)
