"""The catalog of an app directory: its agents, and the tools that they may use."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import JsonValue, ValidationError

from agentkit.catalog.agent_files import (
    AgentFile,
    definition_issues,
    explain_issue,
    named_models,
    planner_error,
    read_agent,
    resolved_compaction,
)
from agentkit.catalog.catalog_tools import HostedTools, InlineTools, ProjectTools
from agentkit.catalog.defaults import ASSISTANT
from agentkit.catalog.definition_source import DefinitionSource
from agentkit.catalog.file_changes import ChangeWatcher, FileVersions, file_version
from agentkit.catalog.mcp_access import MCP_PROXY, PROXY_TOOLS, McpAccess, mcp_hint
from agentkit.catalog.mcp_file import McpFile
from agentkit.catalog.mcp_watch import WatchedMcpFile
from agentkit.catalog.memory_access import memory_issues, on_memory_queue, usable_memory
from agentkit.catalog.openapi_downloads import OpenApiDownloads
from agentkit.catalog.openapi_files import OpenApiFiles
from agentkit.catalog.policy_checks import policy_tool_issues
from agentkit.config.agent_settings import AgentSettings
from agentkit.config.providers import default_model, split_model
from agentkit.errors import AgentInvalid, AgentNotFound, ConfigurationInvalid
from agentkit.interfaces import (
    MEMORY_TOOLS,
    Fetcher,
    HttpClient,
    McpServers,
    NoSecrets,
    Sandbox,
    SandboxLimits,
    Secrets,
    TaskFiles,
)
from agentkit.mcp_config.mcp_names import MCP_PREFIX
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.specs import AgentDefinition, AgentSpec, Limits, ToolSpec
from agentkit.tools import builtin_tools
from agentkit.tools.builtin.code_tools import code_tools
from agentkit.tools.builtin.file_tools import file_tools
from agentkit.tools.builtin.memory_tools import memory_tools
from agentkit.tools.host.host_limits import HostLimits
from agentkit.tools.mcp_proxy_tools import mcp_proxy_tools
from agentkit.tools.mcp_resource_tools import RESOURCE_TOOLS, mcp_resource_tools
from agentkit.validation.validation_messages import ValidationIssue, did_you_mean, validation_issues

__all__ = ["Catalog", "agent_names", "load_catalog"]

_AGENT_SPEC = DefinitionSource("agent_spec", request_path=("agent_spec",))
_REQUEST = DefinitionSource("request", request_path=())


def load_catalog(
    settings: AgentSettings,
    fetcher: Fetcher | None = None,
    client: HttpClient | None = None,
    secrets: Secrets = NoSecrets(),  # noqa: B008  it has no state
    sandbox: Sandbox | None = None,
    files: TaskFiles | None = None,
    mcp_servers: McpServers | None = None,
) -> Catalog:
    """Read the app directory. Broken files are listed by ``Catalog.problems``; the others are used.

    A project's tools are imported in processes of their own, and called there, unless ``settings.tool_host`` is
    ``inline``. Without a ``fetcher``, ``http_fetch`` has a spec, but its calls fail; without a ``client``, those of
    ``http_request`` and of OpenAPI documents; without a ``sandbox``, ``python`` and ``shell``; without ``files``, the
    tools for files; without ``mcp_servers``, those of ``mcp_proxy`` and for resources.
    """
    programs = code_tools(sandbox, files, _sandbox_limits(settings))
    mcp = (*mcp_proxy_tools(mcp_servers), *mcp_resource_tools(mcp_servers))
    others = (*programs, *file_tools(files), *mcp, *memory_tools())
    builtin = (*builtin_tools(fetcher, client=client, secrets=secrets), *others)
    directory = settings.openapi_dir or settings.app_dir / ".opspawn" / "openapi"
    downloads = OpenApiDownloads(directory, settings.openapi, client)
    documents = OpenApiFiles(settings.app_dir, downloads, settings.openapi, settings.secrets.keys(), client, secrets)
    if settings.tool_host == "inline":
        return Catalog(settings, InlineTools(settings.app_dir, builtin, documents))
    variables = tuple(source.env for source in settings.secrets.values() if source.env is not None)
    hidden = (*variables, *settings.secret_variables())
    limits = HostLimits(memory_bytes=settings.tool_memory_bytes, hidden_variables=hidden)
    return Catalog(settings, HostedTools(settings.app_dir, builtin, documents, limits))


def agent_names(app_dir: Path) -> frozenset[str]:
    """Return the names of the valid agents of an app directory, and of the built-in one; no tool is loaded."""
    names = set[str]()
    directory = app_dir / "agents"
    for path in (ASSISTANT, *(directory / name for name in _file_versions(directory))):
        with suppress(AgentInvalid):
            names.add(read_agent(path).definition.name)
    return frozenset(names)


def _sandbox_limits(settings: AgentSettings) -> SandboxLimits:
    return SandboxLimits(
        wall_s=settings.sandbox_timeout,
        memory_bytes=settings.sandbox_memory_bytes,
        disk_bytes=settings.task_files_bytes,
    )


@dataclass(frozen=True)
class _CachedFile:
    """An agent file as last read."""

    version: Hashable
    result: AgentFile | AgentInvalid


class Catalog:
    """The agents and tools of an app directory.

    Agent files are read again when they change. Tool files are read once, unless ``watch`` is called.
    """

    def __init__(self, settings: AgentSettings, toolset: ProjectTools) -> None:
        self.settings = settings
        self.toolset = toolset
        self._directory = settings.app_dir / "agents"
        self._assistant = read_agent(ASSISTANT)
        self._files: dict[Path, _CachedFile] = {}
        self._scanned: tuple[Mapping[str, Hashable], Mapping[str, AgentFile | AgentInvalid]] | None = None
        """The versions of the agent files when they were read last, and what ``_scan`` returns while they stay."""
        self._specs: dict[str, tuple[AgentFile, int, McpFile, AgentSpec]] = {}
        """Resolved agents by name, with the files and the revision of the tools that they were resolved from."""
        self._watcher: ChangeWatcher | None = None
        self._mcp = WatchedMcpFile(settings.app_dir)

    @property
    def agents(self) -> Mapping[str, AgentDefinition]:
        """The valid agents by name; ``problems`` has the errors of the others."""
        return {name: agent.definition for name, agent in self._scan().items() if isinstance(agent, AgentFile)}

    @property
    def problems(self) -> Sequence[str]:
        """Error messages about the app directory, for people."""
        messages = [*self.toolset.problems, *self._unknown_secrets(), *self._mcp.file.problems]
        if not self.settings.app_dir.is_dir():
            path = self.settings.app_dir
            messages.insert(0, f"There is no app directory {path}. Make one: opspawn init {path}")
        for agent in self._scan().values():
            if isinstance(agent, AgentInvalid):
                messages.append(str(agent))
                continue
            try:
                self._resolve(agent)
            except ConfigurationInvalid as error:
                messages.append(str(error))
        return list(dict.fromkeys(messages))

    @property
    def mcp_servers(self) -> Mapping[str, McpServerSettings]:
        """The MCP servers of ``mcp.json`` by name, without those that are disabled; placeholders are not replaced."""
        return self._mcp.file.enabled

    @property
    def mcp_file(self) -> McpFile:
        """``mcp.json`` as it is now; of an entry that has become wrong, the former one."""
        return self._mcp.file

    def on_mcp_servers_changed(self, listener: Callable[[Mapping[str, McpServerSettings]], None]) -> None:
        """Call ``listener`` with ``mcp_servers`` whenever they change, in a thread of its own, until ``aclose``."""
        self._mcp.on_change(listener)

    @property
    def models(self) -> Sequence[str]:
        """The models of all agents, including the default one if an agent names none; ``provider:name`` each.

        Those that write summaries of transcripts are among them.
        """
        definitions = self.agents.values()
        models = [model for definition in definitions for model in named_models(definition)]
        if any(definition.model is None for definition in definitions):
            models.append(self._default_model())
        models += [definition.compaction.model for definition in definitions if definition.compaction.model]
        return list(dict.fromkeys(models))

    def spec(
        self,
        name: str,
        *,
        model: str | Sequence[str] | None = None,
        limits: Mapping[str, JsonValue] | None = None,
        output_schema: Mapping[str, JsonValue] | None = None,
    ) -> AgentSpec:
        """Return an agent with its names resolved; ``model``, each of ``limits`` and ``output_schema`` replace its own.

        Raises:
            AgentNotFound: no such agent; the message lists the existing ones.
            AgentInvalid: the agent's file or an argument is wrong.
        """
        agents = self._scan()
        agent = agents.get(name)
        if agent is None:
            names = ", ".join(sorted(agents)) or "none"
            raise AgentNotFound(f"There is no agent {name!r}.{did_you_mean(name, agents)} Agents: {names}.")
        if isinstance(agent, AgentInvalid):
            raise AgentInvalid(str(agent))
        if model is not None or limits or output_schema is not None:
            return self._resolve(AgentFile(_override(agent.definition, model, limits, output_schema), agent.source))
        cached, revision, servers = self._specs.get(name), self.toolset.revision, self._mcp.file
        if cached is None or cached[0] is not agent or cached[1] != revision or cached[2] is not servers:
            cached = self._specs[name] = (agent, revision, servers, self._resolve(agent))
        return cached[3]

    def resolve(
        self,
        definition: AgentDefinition,
        *,
        model: str | Sequence[str] | None = None,
        limits: Mapping[str, JsonValue] | None = None,
        output_schema: Mapping[str, JsonValue] | None = None,
    ) -> AgentSpec:
        """Return an agent that a request defines, with its names resolved.

        Raises:
            AgentInvalid: the definition or an argument is wrong.
        """
        return self._resolve(AgentFile(_override(definition, model, limits, output_schema), _AGENT_SPEC))

    def log_problems(self, log: logging.Logger) -> None:
        """Log each of ``problems``."""
        for problem in self.problems:
            log.warning("%s", problem)

    def watch(self, log: logging.Logger | None = None) -> None:
        """Load tool files again when they change, until ``aclose``; log what has changed, and what is wrong."""
        if self._watcher is None:
            self._watcher = ChangeWatcher(self._watched_versions, lambda changed: self._on_change(changed, log))

    def start(self, log: logging.Logger) -> None:
        """Log what is wrong, and watch the files if the settings say so."""
        self.log_problems(log)
        if self.settings.reload:
            self.watch(log)

    async def aclose(self) -> None:
        """Stop watching files, and end the tools' processes."""
        if self._watcher is not None:
            await asyncio.to_thread(self._watcher.stop)
        await asyncio.to_thread(self._mcp.stop)
        await self.toolset.aclose()

    def _watched_versions(self) -> FileVersions:
        agents = {
            (self._directory / name).resolve(): version for name, version in _file_versions(self._directory).items()
        }
        return {**agents, **self._mcp.versions(), **self.toolset.file_versions()}

    def _on_change(self, changed: Collection[Path], log: logging.Logger | None) -> None:
        before, agents = self.problems, self._directory.resolve()
        read_anyway = self._mcp.versions()
        is_tool = [path for path in changed if path.parent != agents and path not in read_anyway]
        is_used = self.toolset.reload() if is_tool else True
        if log is None:
            return
        names = [path.name if path in read_anyway else f"/{path.name}:" for path in changed]
        problems = [
            problem for problem in self.problems if problem not in before or any(name in problem for name in names)
        ]
        for problem in problems:
            log.warning("%s", problem)
        if not is_used:
            log.warning("Until that is corrected, the tools are used as they were before.")
        elif not problems:
            files = sorted(path.name for path in changed if not path.is_dir())
            log.info("Loaded again after a change: %s", ", ".join(files))

    def _resolve(self, agent: AgentFile) -> AgentSpec:
        definition = agent.definition
        memory = memory_issues(definition)
        if issues := [*definition_issues(definition), *memory, *self._tool_issues(definition)]:
            raise agent.source.error(issues)
        resolved = {
            "models": tuple(":".join(split_model(model)) for model in named_models(definition))
            or (self._default_model(),),
            "planner": definition.planner or self._default_planner(),
            "tools": on_memory_queue(self._tools(definition), self.settings),
            "mcp": McpAccess(definition, self._mcp.file).selection(),
            "memory": usable_memory(definition, self.settings),
            "compaction": resolved_compaction(definition),
        }
        copied = (AgentSpec.model_fields.keys() & AgentDefinition.model_fields.keys()) - resolved.keys()
        return AgentSpec.model_validate({name: getattr(definition, name) for name in copied} | resolved)

    def _tool_names(self, definition: AgentDefinition) -> Sequence[str]:
        """Return the names of the agent's tools: those listed, and those that listed patterns match."""
        known = self._known_tools()
        if not self.mcp_servers:  # a pattern such as * means what can be used
            known = [name for name in known if name in definition.tools or name not in RESOURCE_TOOLS]
        names = [name for listed in definition.tools for name in known if fnmatchcase(name, listed)]
        if MCP_PROXY in definition.tools:
            names += [spec.name for spec in self.toolset.specs() if spec.name in PROXY_TOOLS]
        if (memory := usable_memory(definition, self.settings)) is not None and memory.long_term:
            names += MEMORY_TOOLS
        return list(dict.fromkeys(names))

    def _tools(self, definition: AgentDefinition) -> Sequence[ToolSpec]:
        return [self.toolset.get(name).spec for name in self._tool_names(definition)]

    def _known_tools(self) -> Sequence[str]:
        """Return the names of tools that agents may list; those of memory come by ``memory: {long_term: true}``."""
        return [spec.name for spec in self.toolset.specs() if spec.name not in (*PROXY_TOOLS, *MEMORY_TOOLS)]

    def _tool_issues(self, definition: AgentDefinition) -> Iterator[ValidationIssue]:
        known, access = self._known_tools(), McpAccess(definition, self._mcp.file)
        yield from access.issues()
        for index, name in enumerate(definition.tools):
            if name.startswith(MCP_PREFIX) or name in (MCP_PROXY, *MEMORY_TOOLS):
                continue
            if "*" in name and not any(fnmatchcase(tool, name) for tool in known):
                yield ValidationIssue(("tools", index), f"no tool matches {name!r}. Tools: {', '.join(known)}")
            elif "*" not in name and name not in known:
                hint = mcp_hint(name, self._mcp.file) or did_you_mean(name, [*known, MCP_PROXY])
                message = f"there is no tool {name!r}.{hint} Tools: {', '.join(known)}"
                yield ValidationIssue(("tools", index), message)
        yield from policy_tool_issues(definition.policy, self._tools(definition), known, access)

    def _unknown_secrets(self) -> Iterator[str]:
        known = self.settings.secrets
        for spec in self.toolset.specs():
            for name in spec.secrets or ():
                if name not in known:
                    cure = f'Add to opspawn.toml, below [secrets]: {name} = {{env = "VARIABLE"}}'
                    yield f"Tool {spec.name}: there is no secret {name!r}.{did_you_mean(name, known)} {cure}"

    def _default_model(self) -> str:
        try:
            return ":".join(split_model(default_model(self.settings)))
        except ConfigurationInvalid as error:
            raise AgentInvalid(f"Setting AGENTKIT_LLM_PROVIDER or AGENTKIT_LLM_MODEL: {error}") from error

    def _default_planner(self) -> str:
        if message := planner_error(self.settings.default_planner):
            raise AgentInvalid(f"Setting AGENTKIT_PLANNER_TYPE: {message}")
        return self.settings.default_planner

    def _scan(self) -> Mapping[str, AgentFile | AgentInvalid]:
        """Return all agents by name; files with errors by their stem."""
        versions = _file_versions(self._directory)
        scanned = self._scanned
        if scanned is None or scanned[0] != versions:
            scanned = self._scanned = (versions, self._read_all(versions))
        return scanned[1]

    def _read_all(self, versions: Mapping[str, Hashable]) -> Mapping[str, AgentFile | AgentInvalid]:
        files = ((self._directory / name, version) for name, version in versions.items())
        self._files = {path: self._read(path, version) for path, version in files}
        agents: dict[str, AgentFile | AgentInvalid] = {}
        paths: dict[str, Path] = {}
        for path, file in self._files.items():
            name = file.result.definition.name if isinstance(file.result, AgentFile) else path.stem
            if name in agents:
                agents[name] = AgentInvalid(f"{path}: name: {paths[name]} is named {name!r}, too. Rename one of them.")
            else:
                agents[name], paths[name] = file.result, path
        return {self._assistant.definition.name: self._assistant, **agents}

    def _read(self, path: Path, version: Hashable) -> _CachedFile:
        cached = self._files.get(path)
        if cached is not None and cached.version == version:
            return cached
        try:
            return _CachedFile(version, read_agent(path))
        except AgentInvalid as error:
            return _CachedFile(version, error)


def _file_versions(directory: Path) -> Mapping[str, Hashable]:
    """Return the versions of the agent files by their names, sorted."""
    parent = str(directory)
    try:
        names = os.listdir(parent)
    except OSError:  # there is no such directory
        return {}
    agents = sorted(name for name in names if name.endswith((".yaml", ".yml")) and name[0] != ".")
    versions = {name: file_version(os.path.join(parent, name)) for name in agents}  # pathlib takes 10 times as long
    return {name: version for name, version in versions.items() if version is not None}  # None: deleted meanwhile


def _override(
    definition: AgentDefinition,
    model: str | Sequence[str] | None,
    limits: Mapping[str, JsonValue] | None,
    output_schema: Mapping[str, JsonValue] | None,
) -> AgentDefinition:
    """Return the definition with a request's values in it; errors about those name the request."""
    changes: dict[str, object] = {}
    if model is not None:
        changes["model"] = model if isinstance(model, str) else tuple(model)
    if limits:
        changes["limits"] = _override_limits(definition.limits, limits)
    if output_schema is not None:
        changes["output_schema"] = dict(output_schema)
    changed = definition.model_copy(update=changes)
    if issues := [issue for issue in definition_issues(changed) if issue.path[0] in changes]:
        raise _REQUEST.error(issues)
    return changed


def _override_limits(limits: Limits, overrides: Mapping[str, JsonValue]) -> Limits:
    try:
        return Limits.model_validate({**limits.model_dump(), **overrides})
    except ValidationError as error:
        issues = (
            ValidationIssue(("limits", *issue.path), issue.message, issue.error_type)
            for issue in validation_issues(error, overrides)
        )
        raise _REQUEST.error(map(explain_issue, issues)) from None
