"""What a worker has loaded: an activity for ``opspawn doctor``, which asks the worker itself."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import activity

from activities.settings import Settings
from activities.temporal.worker_identity import own_identity
from activities.tool_calls import SlowCalls, ToolCalls
from activities.worker.model_waits import model_waits
from agentkit.config.providers import default_model
from agentkit.errors import ConfigurationInvalid, ToolNotFound
from agentkit.interfaces import Model, ModelWait, NoSecrets, Secrets, Toolset
from agentkit.records import Record
from agentkit.tools.builtin.code_tools import CodeTool

__all__ = ["WorkerDescription", "WorkerDescriptionActivity"]


class WorkerDescription(Record):
    """A worker and what it has loaded."""

    identity: str
    """Its identity, as Temporal shows it."""
    app_dir: str
    """An absolute path on the worker's machine, as ``data_dir`` is."""
    data_dir: str
    default_model: str | None = None
    """``provider:name``; None when the worker's settings name none that exists."""
    tools: tuple[str, ...] = ()
    """The names of its tools, sorted."""
    secret_problems: tuple[str, ...] = ()
    """Why secrets of its settings can't be used, without values."""
    model_waits: tuple[ModelWait, ...] = ()
    """The models that it asks for nothing at the moment, because their providers asked for that."""
    slow_calls: tuple[SlowCalls, ...] = ()
    """Its tool calls that have run for long."""
    sandbox: str | None = None
    """How it confines the code of ``python`` and ``shell``, or why it can't; None: it has no such tools."""
    encryption_keys: tuple[str, ...] = ()
    """The ids of its keys for payloads; the first encrypts."""


class WorkerDescriptionActivity:
    """Describes the worker that runs it."""

    def __init__(
        self,
        settings: Settings,
        toolset: Toolset,
        models: Mapping[str, Model],
        calls: ToolCalls | None = None,
        secrets: Secrets | None = None,
    ) -> None:
        self._secrets = secrets or NoSecrets()
        self._settings = settings
        self._toolset = toolset
        self._models = models
        self._calls = calls or ToolCalls()

    @activity.defn
    async def describe_worker(self) -> WorkerDescription:
        """Return the worker's app directory, default model, tools, waits and slow calls, as they are now."""
        try:
            model = default_model(self._settings)
        except ConfigurationInvalid:
            model = None
        return WorkerDescription(
            identity=str(own_identity(self._settings)),
            app_dir=str(self._settings.app_dir.absolute()),
            data_dir=self._settings.payload_place,
            default_model=model,
            tools=tuple(sorted(spec.name for spec in self._toolset.specs())),
            secret_problems=tuple(self._secrets.problems),
            model_waits=tuple(model_waits(self._models)),
            slow_calls=tuple(self._calls.slow_calls()),
            sandbox=self._sandbox(),
            encryption_keys=tuple(self._settings.encryption_keys),
        )

    def _sandbox(self) -> str | None:
        try:
            tool = self._toolset.get("python")
        except ToolNotFound:
            return None
        return tool.sandbox_description if isinstance(tool, CodeTool) else None
