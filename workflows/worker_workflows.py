"""The workflows that a worker registers."""

from __future__ import annotations

from workflows.agent_task import AgentTask
from workflows.conversations.conversation import ConversationWorkflow
from workflows.erasure import ConversationErasure, TaskErasure
from workflows.tenants.tenant_usage_workflow import TenantUsageWorkflow

__all__ = ["WORKFLOWS"]

WORKFLOWS = [AgentTask, ConversationWorkflow, TaskErasure, ConversationErasure, TenantUsageWorkflow]
