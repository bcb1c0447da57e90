"""The errors of agentkit, as one tree.

OpspawnError
├── ConfigurationInvalid      what a person wrote in a file or the environment
│   ├── AgentInvalid          agents/*.yaml
│   ├── AgentNotFound         no agent of that name
│   └── ToolInvalid           tools/*.py
├── ModelError                a language model did not answer
│   ├── ModelUnavailable      try again later
│   ├── ModelRequestRejected  the request is wrong
│   │   └── ContextTooLong    the request is too long
│   ├── ModelNotAuthorized    the key is wrong or missing
│   ├── ContentRefused        the provider will not answer this
│   └── ModelOutputInvalid    the answer makes no sense
├── ToolError                 a tool's message for the model that called it
│   ├── ToolNotFound
│   ├── ToolArgumentsInvalid
│   └── ToolUnavailable       transient: worth another attempt
├── LimitExceeded             the task has spent what it may
└── TranscriptMismatch        a transcript is not the one that was referenced
"""

from __future__ import annotations

__all__ = [
    "AgentInvalid",
    "AgentNotFound",
    "ConfigurationInvalid",
    "ContentRefused",
    "ContextTooLong",
    "LimitExceeded",
    "ModelError",
    "ModelNotAuthorized",
    "ModelOutputInvalid",
    "ModelRequestRejected",
    "ModelUnavailable",
    "OpspawnError",
    "ToolArgumentsInvalid",
    "ToolError",
    "ToolInvalid",
    "ToolNotFound",
    "ToolUnavailable",
    "TranscriptMismatch",
]


class OpspawnError(Exception):
    """Any error that Opspawn raises on purpose."""


class ConfigurationInvalid(OpspawnError):
    """A file or setting is wrong. The message names it, the key, and what was expected: mend it there."""


class AgentInvalid(ConfigurationInvalid):
    """An agent definition is wrong. Mend the YAML file and key that the message names."""


class AgentNotFound(ConfigurationInvalid):
    """There is no agent of that name; the message lists those there are."""


class ToolInvalid(ConfigurationInvalid):
    """A tool can't be registered: its name is taken, or its signature gives no JSON Schema."""


class ModelError(OpspawnError):
    """A language model did not answer; ``str()`` holds the provider's own words, never a key."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status of the provider, where there was one."""


class ModelUnavailable(ModelError):
    """Overloaded, rate limited, timed out or cut off. Ask again after ``retry_after`` seconds."""

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after
        """Seconds that the provider asked to wait, where it said so."""


class ModelRequestRejected(ModelError):
    """The provider calls the request wrong (400, 404, 422). Asking again won't help: mend the agent."""


class ContextTooLong(ModelRequestRejected):
    """The transcript exceeds the model's context window. Shorten it or take a model with a larger one."""


class ModelNotAuthorized(ModelError):
    """The key is missing, wrong or not allowed (401, 403). Set the variable that the message names."""


class ContentRefused(ModelError):
    """The provider's filter refused the content. Asking again won't help."""


class ModelOutputInvalid(ModelError):
    """The model answered with nothing, or with what can't be used, too many times."""


class ToolError(OpspawnError):
    """A tool failed. The message is written for the model that reads it: say what to do next."""


class ToolNotFound(ToolError):
    """The model asked for a tool that this agent doesn't have."""


class ToolArgumentsInvalid(ToolError):
    """The arguments don't fit the tool's schema; the message says where."""


class ToolUnavailable(ToolError):
    """A transient failure: raise it from a tool to have the call repeated (never for irreversible ones)."""


class LimitExceeded(OpspawnError):
    """A limit of the task is spent; the message names the limit, its value and what was used."""


class TranscriptMismatch(OpspawnError):
    """The transcript read back isn't the one referenced. It is never sent to a model."""
