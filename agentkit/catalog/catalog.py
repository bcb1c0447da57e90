"""What an app directory holds: its agents, and the tools they may use."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, ValidationError

from agentkit.catalog.agent_files import (
    AgentFile,
    Source,
    definition_faults,
    models_of,
    planner_fault,
    read_agent,
    with_rules,
)
from agentkit.catalog.defaults import ASSISTANT
from agentkit.catalog.tool_files import ToolFiles
from agentkit.config.agent_settings import AgentSettings
from agentkit.config.providers import default_model, split_model
from agentkit.errors import AgentInvalid, AgentNotFound, ConfigurationInvalid, ToolInvalid
from agentkit.interfaces import Fetcher, Toolset
from agentkit.specs import AgentDefinition, AgentSpec, Limits
from agentkit.tools import ToolRegistry, builtin_tools
from agentkit.validation_messages import Fault, did_you_mean, faults

__all__ = ["Catalog", "load_catalog"]

_INLINE = Source("agent_spec")
_REQUEST = Source("request")
_Stamp = tuple[int, int, int]


def load_catalog(settings: AgentSettings, fetcher: Fetcher | None = None) -> Catalog:
    """Read the app directory. What is broken in it is told by ``problems``, and doesn't take the rest down.

    Where ``fetcher`` is None, ``http_fetch`` is described but can't be called.
    """
    problems = []
    if not settings.app_dir.is_dir():
        problems.append(f"There is no app directory {settings.app_dir}. Make one: opspawn init {settings.app_dir}")
    registry = ToolRegistry()
    for tool in builtin_tools(fetcher):
        registry.add(tool, "built in")
    files = ToolFiles(settings.app_dir)
    for path in files.paths():
        try:
            for found in files.load(path):
                registry.add(found)
        except ToolInvalid as error:
            problems.append(str(error))
    return Catalog(settings, registry, problems)


@dataclass(frozen=True)
class _Read:
    """One agent file as it was last read."""

    stamp: _Stamp
    result: AgentFile | AgentInvalid


class Catalog:
    """The agents and tools of an app directory.

    Agent files are read again when they change. Tool files aren't: restart the process.
    """

    def __init__(self, settings: AgentSettings, toolset: Toolset, tool_problems: Sequence[str] = ()) -> None:
        self.settings = settings
        self.toolset = toolset
        self._tool_problems = tuple(tool_problems)
        self._assistant = read_agent(ASSISTANT)
        self._reads: dict[Path, _Read] = {}
        self._specs: dict[str, tuple[AgentFile, AgentSpec]] = {}
        """Agents as last resolved, with what they were resolved from."""

    @property
    def agents(self) -> Mapping[str, AgentDefinition]:
        """The agents by name, without the broken ones; ``problems`` tells of those."""
        return {name: found.definition for name, found in self._scan().items() if isinstance(found, AgentFile)}

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong in the app directory, for people; nothing where all is well."""
        found = list(self._tool_problems)
        for agent in self._scan().values():
            if isinstance(agent, AgentInvalid):
                found.append(str(agent))
                continue
            try:
                self._resolve(agent)
            except ConfigurationInvalid as error:
                found.append(str(error))
        return list(dict.fromkeys(found))

    @property
    def models(self) -> Sequence[str]:
        """Every model that an agent names, and the default one where one names none; ``provider:name`` each."""
        found = [model for definition in self.agents.values() for model in models_of(definition)]
        if any(definition.model is None for definition in self.agents.values()):
            found.append(self._default_model())
        return list(dict.fromkeys(found))

    def spec(
        self,
        name: str,
        *,
        model: str | Sequence[str] | None = None,
        limits: Mapping[str, JsonValue] | None = None,
        output_schema: Mapping[str, JsonValue] | None = None,
    ) -> AgentSpec:
        """Return an agent ready to run; ``model``, ``limits`` (one by one) and ``output_schema`` stand in for its own.

        Raises:
            AgentNotFound: no such agent; the message lists those there are.
            AgentInvalid: the agent's file, or what was asked for, is wrong.
        """
        agents = self._scan()
        found = agents.get(name)
        if found is None:
            there = ", ".join(sorted(agents)) or "none"
            raise AgentNotFound(f"There is no agent {name!r}.{did_you_mean(name, agents)} Agents: {there}.")
        if isinstance(found, AgentInvalid):
            raise AgentInvalid(str(found))
        if model is not None or limits or output_schema is not None:
            return self._resolve(AgentFile(_overridden(found.definition, model, limits, output_schema), found.source))
        before = self._specs.get(name)
        if before is None or before[0] is not found:
            before = self._specs[name] = (found, self._resolve(found))
        return before[1]

    def resolve(
        self,
        definition: AgentDefinition,
        *,
        model: str | Sequence[str] | None = None,
        limits: Mapping[str, JsonValue] | None = None,
        output_schema: Mapping[str, JsonValue] | None = None,
    ) -> AgentSpec:
        """Return an agent defined by a request ready to run.

        Raises:
            AgentInvalid: the definition, or what was asked for, is wrong.
        """
        return self._resolve(AgentFile(_overridden(definition, model, limits, output_schema), _INLINE))

    def _resolve(self, agent: AgentFile) -> AgentSpec:
        definition = agent.definition
        if found := [*definition_faults(definition), *self._tool_faults(definition)]:
            raise agent.source.error(found)
        resolved = {
            "models": tuple(":".join(split_model(model)) for model in models_of(definition))
            or (self._default_model(),),
            "planner": definition.planner or self._default_planner(),
            "tools": tuple(self.toolset.get(name).spec for name in dict.fromkeys(definition.tools)),
        }
        taken_over = (AgentSpec.model_fields.keys() & AgentDefinition.model_fields.keys()) - resolved.keys()
        return AgentSpec.model_validate({name: getattr(definition, name) for name in taken_over} | resolved)

    def _tool_faults(self, definition: AgentDefinition) -> list[Fault]:
        known = [spec.name for spec in self.toolset.specs()]
        unknown = [
            Fault(("tools", place), f"there is no tool {name!r}.{did_you_mean(name, known)} Tools: {', '.join(known)}")
            for place, name in enumerate(definition.tools)
            if name not in known
        ]
        idle = [
            Fault(
                ("approvals", place, "tool"), f"this agent has no tool {rule.tool!r}.{did_you_mean(rule.tool, known)}"
            )
            for place, rule in enumerate(definition.approvals)
            if rule.tool not in definition.tools and not set(rule.tool) & set("*?[")
        ]
        return [*unknown, *idle]

    def _default_model(self) -> str:
        try:
            return ":".join(split_model(default_model(self.settings)))
        except ConfigurationInvalid as error:
            raise AgentInvalid(f"Setting AGENTKIT_LLM_PROVIDER or AGENTKIT_LLM_MODEL: {error}") from error

    def _default_planner(self) -> str:
        if problem := planner_fault(self.settings.default_planner):
            raise AgentInvalid(f"Setting AGENTKIT_PLANNER_TYPE: {problem}")
        return self.settings.default_planner

    def _scan(self) -> Mapping[str, AgentFile | AgentInvalid]:
        """Return all agents by name, the broken ones by the stem of their file."""
        self._reads = {path: self._read(path, stamp) for path, stamp in _stamps(self.settings.app_dir / "agents")}
        agents: dict[str, AgentFile | AgentInvalid] = {}
        origins: dict[str, Path] = {}
        for path, read in self._reads.items():
            name = read.result.definition.name if isinstance(read.result, AgentFile) else path.stem
            if name in agents:
                agents[name] = AgentInvalid(
                    f"{path}: name: {origins[name]} is named {name!r}, too. Rename one of them."
                )
            else:
                agents[name], origins[name] = read.result, path
        return {self._assistant.definition.name: self._assistant, **agents}

    def _read(self, path: Path, stamp: _Stamp) -> _Read:
        before = self._reads.get(path)
        if before is not None and before.stamp == stamp:
            return before
        try:
            return _Read(stamp, read_agent(path))
        except AgentInvalid as error:
            return _Read(stamp, error)


def _stamps(directory: Path) -> Sequence[tuple[Path, _Stamp]]:
    """Return the agent files, by name, each with what changes when it is written."""
    found = []
    for path in sorted(directory.glob("*.y*ml")):
        if path.suffix not in (".yaml", ".yml") or path.name.startswith("."):
            continue
        try:
            status = os.stat(path)
        except FileNotFoundError:  # gone since the directory was listed
            continue
        found.append((path, (status.st_mtime_ns, status.st_size, status.st_ino)))
    return found


def _overridden(
    definition: AgentDefinition,
    model: str | Sequence[str] | None,
    limits: Mapping[str, JsonValue] | None,
    output_schema: Mapping[str, JsonValue] | None,
) -> AgentDefinition:
    """Return the definition with what a request asks for in its place; faults in that are the request's."""
    changes: dict[str, object] = {}
    if model is not None:
        changes["model"] = model if isinstance(model, str) else tuple(model)
    if limits:
        changes["limits"] = _merged(definition.limits, limits)
    if output_schema is not None:
        changes["output_schema"] = dict(output_schema)
    changed = definition.model_copy(update=changes)
    if found := [fault for fault in definition_faults(changed) if fault.path[0] in changes]:
        raise _REQUEST.error(found)
    return changed


def _merged(limits: Limits, override: Mapping[str, JsonValue]) -> Limits:
    try:
        return Limits.model_validate({**limits.model_dump(), **override})
    except ValidationError as error:
        found = [Fault(("limits", *fault.path), fault.text, fault.kind) for fault in faults(error, override)]
        raise _REQUEST.error(map(with_rules, found)) from None
