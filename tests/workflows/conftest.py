"""One real Temporal server for the suite; a task queue, a client and a directory for each test."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
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
from activities.temporal.client import data_converter
from activities.tool import ToolActivities
from activities.transcript_cache import TranscriptCache
from activities.transcript_reader import TranscriptReader
from agentkit.interfaces import Model, Tool
from agentkit.messages import Message, ToolResult, user_message
from agentkit.specs import AgentSpec
from agentkit.tools import ToolRegistry
from worker import build_worker
from workflows.agent_task import AgentTask
from workflows.search_attributes import SEARCH_ATTRIBUTES
from workflows.task_types import TaskFailure, TaskInput, TaskResult
from workflows.workflow_sandbox import sandboxed_runner

BIN = Path(sys.executable).parent

WITHIN = 30.0
"""Seconds that any one thing may take."""

Handle = WorkflowHandle[AgentTask, TaskResult]


def serve(*dynamic_config: str) -> Iterator[str]:
    """Run a dev server; yield its address. Nothing of it is bound to a test's event loop."""
    values = ("history.transferProcessorMaxPollRPS=2000", *dynamic_config)
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


@dataclass(frozen=True)
class Stage:
    """Where a test plays: a task queue of its own on a server of the suite."""

    client: Client
    settings: Settings

    def without_payload_files(self) -> Stage:
        """Return the same stage, but all payloads travel through Temporal, however large."""
        settings = self.settings.model_copy(update={"payload_threshold_bytes": 2**31})
        return Stage(Client(self.client.service_client, data_converter=data_converter(settings)), settings)

    def overheard_by(self, interceptor: ClientInterceptor) -> Stage:
        """Return the same stage, with an interceptor on its client and (where it is one of theirs) its workers."""
        client = Client(
            self.client.service_client, data_converter=self.client.data_converter, interceptors=[interceptor]
        )
        return Stage(client, self.settings)

    def agent(self, *tools: Tool, **fields: Any) -> AgentSpec:
        """Return an agent with these tools."""
        specs = tuple(tool.spec for tool in tools)
        return AgentSpec(**{"name": "a", "models": ("scripted:m",), "planner": "tools", "tools": specs, **fields})

    def worker(self, model: Model, *tools: Tool, **changed: Any) -> Worker:
        """Return the worker that we ship; ``changed`` are settings."""
        settings = self.settings.model_copy(update=changed)
        return build_worker(self.client, settings, {"scripted": model}, ToolRegistry(tools))

    def bare_worker(
        self, model: Model, *tools: Tool, cache: TranscriptCache | None = None, interceptors: Sequence[Interceptor] = ()
    ) -> Worker:
        """Return a worker to whose model activity no workflow hands anything over."""
        reader = TranscriptReader(self.client, cache or TranscriptCache(1_000_000))
        return Worker(
            self.client,
            task_queue=self.settings.task_queue,
            workflows=[AgentTask],
            activities=[
                ModelActivities({"scripted": model}, reader).request_model,
                ToolActivities(ToolRegistry(tools)).call_tool,
            ],
            interceptors=interceptors,
            workflow_runner=sandboxed_runner(),
        )

    async def start(self, message: str | Message, agent: AgentSpec | None = None) -> Handle:
        """Start a task."""
        first = user_message(message) if isinstance(message, str) else message
        return await self.client.start_workflow(
            AgentTask.run,
            TaskInput(agent=agent or self.agent(), message=first),
            id=f"task-{uuid.uuid4().hex}",
            task_queue=self.settings.task_queue,
        )

    async def run(self, message: str | Message, agent: AgentSpec | None = None) -> tuple[TaskResult, Handle]:
        """Start a task and wait for its result."""
        handle = await self.start(message, agent)
        return await self.result(handle), handle

    async def result(self, handle: Handle) -> TaskResult:
        """Wait for a result."""
        return await asyncio.wait_for(handle.result(), WITHIN)

    async def failure(self, handle: Handle) -> tuple[ApplicationError, TaskFailure]:
        """Wait for a task to fail; return the error and its first detail."""
        with pytest.raises(WorkflowFailureError) as raised:
            await self.result(handle)
        error = raised.value.cause
        assert isinstance(error, ApplicationError), repr(error)
        converter = self.client.data_converter.payload_converter
        (detail,) = converter.from_payloads(converter.to_payloads(error.details[:1]), [TaskFailure])
        return error, detail

    async def transcript(self, handle: Handle) -> list[Message]:
        """Read the whole transcript, page by page."""
        messages: list[Message] = []
        total = 1
        while len(messages) < total:
            page = await handle.query(AgentTask.transcript, TranscriptRange(start=len(messages)))
            messages += page.messages
            total = page.total
        return messages

    async def tool_results(self, handle: Handle) -> list[ToolResult]:
        """Read all tool results, in the transcript's order."""
        messages = await self.transcript(handle)
        return [part for message in messages for part in message.parts if isinstance(part, ToolResult)]

    async def history(self, handle: Handle) -> list[HistoryEvent]:
        """Read all events."""
        return list((await handle.fetch_history()).events)

    async def scheduled(self, handle: Handle, activity_type: str) -> None:
        """Wait until an activity of that type is scheduled."""
        async with asyncio.timeout(WITHIN):
            async for event in handle.fetch_history_events(wait_new_event=True):
                if event.activity_task_scheduled_event_attributes.activity_type.name == activity_type:
                    return


@pytest.fixture(scope="session")
def temporal() -> Iterator[str]:
    """The address of the suite's server."""
    yield from serve()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a test's own: queue and directory."""
    return Settings(data_dir=tmp_path, task_queue=f"queue-{uuid.uuid4().hex}")


@pytest.fixture
async def stage(temporal: str, settings: Settings) -> Stage:
    """Where a test plays."""
    return Stage(await Client.connect(temporal, data_converter=data_converter(settings)), settings)


@pytest.fixture(scope="session")
def impatient_temporal() -> Iterator[str]:
    """The address of a server that suggests to continue as new after 40 events."""
    at_once = 'history.workflowIdReuseMinimalInterval="0s"'  # else each continuation waits for a second
    yield from serve("limit.historyCount.suggestContinueAsNew=40", at_once)


@pytest.fixture
async def short_stage(impatient_temporal: str, settings: Settings) -> Stage:
    """A stage whose tasks continue as new every few steps."""
    return Stage(await Client.connect(impatient_temporal, data_converter=data_converter(settings)), settings)


@pytest.fixture
async def skipping(settings: Settings) -> AsyncIterator[tuple[Stage, WorkflowEnvironment]]:
    """A stage on a server that skips time while nothing is at work, and that server."""
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=str(BIN / "temporal-test-server"), data_converter=data_converter(settings)
    )
    async with environment:
        types = {key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in SEARCH_ATTRIBUTES}
        await environment.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=environment.client.namespace, search_attributes=types)
        )
        yield Stage(environment.client, settings), environment
