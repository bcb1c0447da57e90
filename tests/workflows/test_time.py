"""Deadlines and retries, on a server that skips the waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from temporalio.testing import WorkflowEnvironment

from activities.connection import data_converter
from activities.policies import MODEL
from agentkit.errors import ModelUnavailable, ToolUnavailable
from agentkit.interfaces import ModelRequest
from agentkit.messages import ToolCall
from agentkit.settings import Settings
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.tools import tool
from workflows.agent_task import AgentTask
from workflows.visibility import STATUS

if TYPE_CHECKING:
    from tests.workflows.conftest import Stage


@pytest.fixture
async def skipping(time_skipping: WorkflowEnvironment, settings, stage_on) -> Stage: ...
