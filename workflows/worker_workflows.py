"""The workflows that a worker registers."""

from __future__ import annotations

from workflows.agent_task import AgentTask
from workflows.conversations.conversation import ConversationWorkflow
from workflows.erasure import ConversationErasure, TaskErasure

__all__ = ["WORKFLOWS"]

WORKFLOWS = [AgentTask, ConversationWorkflow, TaskErasure, ConversationErasure]
