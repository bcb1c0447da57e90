"""Tools: typed functions that a model can call."""

from __future__ import annotations

from agentkit.errors import NotDone, ToolError, ToolUnavailable
from agentkit.interfaces import Done, ToolContext, Unknown
from agentkit.tools.builtin.builtin_tools import builtin_tools
from agentkit.tools.function_tool import FunctionTool, tool
from agentkit.tools.returned_files import File, Image
from agentkit.tools.tool_registry import ToolRegistry
from agentkit.tools.toolset_combinators import filter_tools, named, prefix_tools, rename_tools, require_approval

__all__ = [
    "Done",
    "File",
    "FunctionTool",
    "Image",
    "NotDone",
    "ToolContext",
    "ToolError",
    "ToolRegistry",
    "ToolUnavailable",
    "Unknown",
    "builtin_tools",
    "filter_tools",
    "named",
    "prefix_tools",
    "rename_tools",
    "require_approval",
    "tool",
]
