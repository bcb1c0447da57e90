"""The tools of an app directory: the built-in ones, and those of its tool files in Python and YAML."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentkit.catalog.external_tool_files import external_tool_paths, read_external_tool
from agentkit.catalog.file_changes import FileVersions, file_version
from agentkit.catalog.openapi_files import OpenApiFiles
from agentkit.errors import ToolInvalid, ToolNotFound
from agentkit.interfaces import Tool
from agentkit.specs import ToolSpec
from agentkit.tools import ToolRegistry
from agentkit.tools.host.host_limits import DEFAULT_LIMITS, HostLimits
from agentkit.tools.host.host_pool import HostPool
from agentkit.tools.host.hosted_tool import HostedTool
from agentkit.tools.host.project_description import ProjectDescription, describe_project
from agentkit.tools.host.tool_files import ToolFiles, tool_paths

__all__ = ["HostedTools", "InlineTools", "ProjectTools"]


@dataclass(frozen=True)
class _LoadedFile:
    """A tool file's tools with their origins, or what is wrong with it."""

    path: Path
    tools: Sequence[tuple[Tool, str]] = ()
    problem: str | None = None


class ProjectTools:
    """A ``Toolset`` of built-in tools and a project's own. Files that can't be loaded are problems; others are used."""

    def __init__(self, builtin: Sequence[Tool], files: Iterable[_LoadedFile] = ()) -> None:
        self.revision = 0
        """Changes whenever the tools do."""
        self._builtin = builtin
        self._registry = ToolRegistry()
        self._problems: Mapping[Path, str] = {}
        self._use(*self._register(files))

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong with tool files, for people: with file, line and error."""
        return list(self._problems.values())

    def specs(self) -> Sequence[ToolSpec]:
        """Return the specs of all tools."""
        return self._registry.specs()

    def get(self, name: str) -> Tool:
        """Return one tool.

        Raises:
            ToolNotFound: no such tool; the message lists the existing ones, and files that could not be loaded.
        """
        try:
            return self._registry.get(name)
        except ToolNotFound as error:
            problems = (f"Not loaded: {problem}" for problem in self.problems)
            raise ToolNotFound(" ".join([str(error), *problems])) from None

    def file_versions(self) -> FileVersions:
        """Return the versions of the files that the tools are made of; they change when ``reload`` may find changes."""
        return {}

    def reload(self) -> bool:
        """Load the tools again; return whether they are used now. They aren't when a file that was good is broken."""
        return True

    async def warm_up(self) -> None:
        """Prepare for the first call."""

    async def aclose(self) -> None:
        """End what calls need, such as processes."""

    def _register(self, files: Iterable[_LoadedFile]) -> tuple[ToolRegistry, Mapping[Path, str]]:
        registry = ToolRegistry()
        problems: dict[Path, str] = {}
        for tool in self._builtin:
            registry.add(tool, "built in")
        for file in files:
            if file.problem is not None:
                problems[file.path] = file.problem
            try:
                for tool, origin in file.tools:
                    registry.add(tool, origin)
            except ToolInvalid as error:
                problems[file.path] = str(error)
        return registry, problems

    def _use(self, registry: ToolRegistry, problems: Mapping[Path, str]) -> None:
        self._registry, self._problems = registry, problems
        self.revision += 1


class InlineTools(ProjectTools):
    """The tools of a project, imported into this process: for debuggers. They are loaded once."""

    def __init__(self, app_dir: Path, builtin: Sequence[Tool], documents: OpenApiFiles) -> None:
        self._documents = documents
        self._read = [*_imported_files(app_dir), *_external_tools(app_dir)]
        super().__init__(builtin, [*self._read, *_openapi_tools(documents)])

    async def warm_up(self) -> None:
        """Download OpenAPI documents."""
        if await self._documents.downloads.run():
            self._use(*self._register([*self._read, *_openapi_tools(self._documents)]))


class HostedTools(ProjectTools):
    """The tools of a project, called in processes of their own; nothing of it is imported here."""

    def __init__(
        self, app_dir: Path, builtin: Sequence[Tool], documents: OpenApiFiles, limits: HostLimits = DEFAULT_LIMITS
    ) -> None:
        self._app_dir = app_dir
        self._documents = documents
        self._limits = limits
        self._described = describe_project(app_dir, limits)
        self._pool = HostPool(app_dir, self._described, limits)
        self._refused: Mapping[Path, str] = {}
        """Problems of files that were good before: their good version is in use."""
        self._read = self._files(self._described)
        super().__init__(builtin, self._read)

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong with tool files as they are now, also with those whose good version is in use."""
        return list({**self._problems, **self._refused}.values())

    def file_versions(self) -> FileVersions:
        """Return the versions of tool files and of what they import; with a problem, also of the files beside these."""
        paths = [*tool_paths(self._app_dir), *external_tool_paths(self._app_dir), *self._documents.paths()]
        directory = self._app_dir / "tools"
        watched = {*paths, *self._described.imported, *self._pool.imported_files}
        if self.problems:  # a missing module may be added
            directories = {self._app_dir, directory, *(path.parent for path in watched)}
            watched |= {path for directory in directories for path in directory.glob("*.py")}
            watched |= set(self._app_dir.glob("*/__init__.py"))
        versions = {path.resolve(): file_version(path) for path in watched}
        return {directory.resolve(): tuple(path.name for path in paths), **versions}

    def reload(self) -> bool:
        """Read the tool files again; new calls use new processes, and running ones end in theirs."""
        described = describe_project(self._app_dir, self._limits)
        read = self._files(described)
        registry, problems = self._register(read)
        good_before = {file.path for file in self._read} - self._problems.keys()
        broken = {path: problem for path, problem in problems.items() if path in good_before}
        if broken:
            self._refused = problems
            self._pool.keep()
            return False
        self._described, self._read, self._refused = described, read, {}
        self._use(registry, problems)
        self._pool.use(described)
        return True

    async def warm_up(self) -> None:
        """Download OpenAPI documents, and start a process for the first call, unless the project has no tools."""
        if await self._documents.downloads.run():
            await asyncio.to_thread(self.reload)
        if self._described.importable:
            await self._pool.warm_up()

    async def aclose(self) -> None:
        """End the processes."""
        await self._pool.close()

    def _files(self, described: ProjectDescription) -> Sequence[_LoadedFile]:
        hosted = [
            _LoadedFile(
                file.path, [(HostedTool(tool.spec, self._pool), tool.origin) for tool in file.tools], file.import_error
            )
            for file in described.files
        ]
        return [*hosted, *_external_tools(self._app_dir), *_openapi_tools(self._documents)]


def _imported_files(app_dir: Path) -> Iterator[_LoadedFile]:
    files = ToolFiles(app_dir)
    for path in files.paths():
        try:
            yield _LoadedFile(path, [(tool, tool.origin) for tool in files.load(path)])
        except ToolInvalid as error:
            yield _LoadedFile(path, problem=str(error))


def _external_tools(app_dir: Path) -> Iterator[_LoadedFile]:
    for path in external_tool_paths(app_dir):
        try:
            yield _LoadedFile(path, [(read_external_tool(path), str(path))])
        except ToolInvalid as error:
            yield _LoadedFile(path, problem=str(error))


def _openapi_tools(documents: OpenApiFiles) -> Iterator[_LoadedFile]:
    return (_LoadedFile(file.path, file.tools, file.problem) for file in documents.read())
