"""The Protocols that agentkit's parts implement, and the values that they exchange."""

from __future__ import annotations

from agentkit.interfaces.content import READ_RESULT, ContentReader
from agentkit.interfaces.fetcher import Fetcher, FetchResult
from agentkit.interfaces.http_client import HttpClient, HttpReply, HttpRequest
from agentkit.interfaces.memory import LongTermMemory, Memory, ShortTermMemory
from agentkit.interfaces.model import (
    Emit,
    Model,
    ModelDelta,
    ModelRequest,
    ModelResponse,
    ModelWait,
    RateLimited,
    StopReason,
)
from agentkit.interfaces.output import OutputCheck, OutputChecker
from agentkit.interfaces.planner import CallTools, Decision, Finish, Planner, Proceed, Retry
from agentkit.interfaces.policy import PolicyDecision, SecurityPolicy
from agentkit.interfaces.probe import Done, ProbedTool, ProbeOutcome, Unknown
from agentkit.interfaces.sandbox import (
    CutOffBy,
    Sandbox,
    SandboxedProgram,
    SandboxLimits,
    SandboxOutput,
    SandboxResult,
    SandboxTier,
    Workspace,
)
from agentkit.interfaces.secrets import NoSecrets, Secrets
from agentkit.interfaces.task_files import FileChanges, FileLimits, FileSnapshot, NewFile, TaskFile, TaskFiles
from agentkit.interfaces.tool import (
    ASK_PERSON,
    PREPARATION_TIMEOUT_S,
    CallSignals,
    OmittedText,
    PreparedTool,
    Tool,
    ToolContext,
    ToolOutput,
    ToolProgress,
    Toolset,
    ToolValue,
)

__all__ = [
    "ASK_PERSON",
    "PREPARATION_TIMEOUT_S",
    "READ_RESULT",
    "CallSignals",
    "CallTools",
    "ContentReader",
    "CutOffBy",
    "Decision",
    "Done",
    "Emit",
    "FetchResult",
    "Fetcher",
    "FileChanges",
    "FileLimits",
    "FileSnapshot",
    "Finish",
    "HttpClient",
    "HttpReply",
    "HttpRequest",
    "LongTermMemory",
    "Memory",
    "Model",
    "ModelDelta",
    "ModelRequest",
    "ModelResponse",
    "ModelWait",
    "NewFile",
    "NoSecrets",
    "OmittedText",
    "OutputCheck",
    "OutputChecker",
    "Planner",
    "PolicyDecision",
    "PreparedTool",
    "ProbeOutcome",
    "ProbedTool",
    "Proceed",
    "RateLimited",
    "Retry",
    "Sandbox",
    "SandboxLimits",
    "SandboxOutput",
    "SandboxResult",
    "SandboxTier",
    "SandboxedProgram",
    "Secrets",
    "SecurityPolicy",
    "ShortTermMemory",
    "StopReason",
    "TaskFile",
    "TaskFiles",
    "Tool",
    "ToolContext",
    "ToolOutput",
    "ToolProgress",
    "ToolValue",
    "Toolset",
    "Unknown",
    "Workspace",
]
