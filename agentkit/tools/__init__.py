"""Tools: typed functions that a model can call."""

from __future__ import annotations

from agentkit.errors import ToolError, ToolUnavailable
from agentkit.interfaces import ToolContext
from agentkit.tools.builtin import builtin_tools
from agentkit.tools.functions import FunctionTool, tool
from agentkit.tools.registry import ToolRegistry

__all__ = ["FunctionTool", "ToolContext", "ToolError", "ToolRegistry", "ToolUnavailable", "builtin_tools", "tool"]
