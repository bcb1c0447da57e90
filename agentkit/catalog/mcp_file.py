"""Read ``mcp.json`` of an app directory: the MCP servers, as Claude, Cursor and VS Code write them, and our keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel, ValidationError

from agentkit.catalog.commented_json import read_commented_json
from agentkit.catalog.definition_source import DefinitionSource
from agentkit.catalog.mcp_entries import OUR_KEY, entry_issues, plain_entry
from agentkit.catalog.yaml_limits import read_bounded
from agentkit.errors import ConfigurationInvalid
from agentkit.mcp_config.mcp_settings import McpOAuth, McpOptions, McpServerSettings, McpToolFilter
from agentkit.mcp_placeholders import placeholder_issues
from agentkit.validation.validation_messages import ValidationIssue, did_you_mean, most_similar, validation_issues

__all__ = ["MCP_FILE", "McpFile", "read_mcp_file"]

MCP_FILE = "mcp.json"
"""The name of the file in the app directory."""

_MAX_BYTES = 262_144
_MAX_SERVERS = 100
_SERVER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SECTIONS = ("mcpServers", "servers")
"""The keys that have servers: of most programs, and of VS Code."""
_EXAMPLE = '{"mcpServers": {"time": {"command": "mcp-server-time"}}}'


@dataclass(frozen=True)
class McpFile:
    """The servers of a file, and what is wrong with it."""

    path: Path
    servers: Mapping[str, McpServerSettings] = field(default_factory=dict)
    """Those that can be used, and those that are disabled."""
    problems: Sequence[str] = ()
    """For people: with file, line, key, and what was expected."""
    broken: frozenset[str] = frozenset()
    """The names of servers whose entries are wrong."""
    is_readable: bool = True
    """False: it could not be read at all."""

    @property
    def enabled(self) -> Mapping[str, McpServerSettings]:
        """The servers that aren't disabled."""
        return {name: settings for name, settings in self.servers.items() if not settings.disabled}

    def after(self, former: McpFile) -> McpFile:
        """Return this file with the former entries of what is wrong now: so a slip ends no connection."""
        kept = former.servers if not self.is_readable else {name: former.servers.get(name) for name in self.broken}
        good = {name: settings for name, settings in kept.items() if settings is not None}
        return replace(self, servers={**good, **self.servers}, broken=self.broken - good.keys())


def read_mcp_file(app_dir: Path) -> McpFile:
    """Read the file of an app directory; without one there are no servers.

    An entry that is wrong is a problem, and the other servers are used.
    """
    path = app_dir / MCP_FILE
    try:
        content = read_bounded(path, _MAX_BYTES).decode("utf-8-sig")
        if not content.strip():
            return _unreadable(path, f"{path}: the file is empty. Write at least {_EXAMPLE}")
        document = read_commented_json(content)
    except FileNotFoundError:
        return McpFile(path)
    except OSError as error:
        return _unreadable(path, f"{path}: can't be read ({error.strerror}).")
    except UnicodeDecodeError:
        return _unreadable(path, f"{path}: no valid JSON: it is not in UTF-8.")
    except ValueError as error:
        separator = ":" if str(error)[:1].isdigit() else ": "
        return _unreadable(path, f"{path}{separator}{error}.")
    return _Reader(DefinitionSource(str(path), document.lines, ConfigurationInvalid)).read(path, document.data)


@dataclass
class _Reader:
    """Collects the servers of a file, and its problems."""

    source: DefinitionSource
    servers: dict[str, McpServerSettings] = field(default_factory=dict)
    issues: list[ValidationIssue] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def read(self, path: Path, data: object) -> McpFile:
        """Read the whole file."""
        if not isinstance(data, dict):
            return _unreadable(path, f"{path}: expected {_EXAMPLE}, got {type(data).__name__}.")
        sections = [key for key in _SECTIONS if key in data]
        if not sections:
            similar = next((key for key in data if most_similar(key.lower(), ["mcpservers"])), None)
            hint = f", got {similar!r}" if similar is not None else ""
            return _unreadable(path, f"{path}: expected the key 'mcpServers'{hint}. Write at least {_EXAMPLE}")
        for section in sections:
            self._read_section(section, data[section])
        problems = [str(self.source.error([issue])) for issue in self.issues]
        return McpFile(path, self.servers, list(dict.fromkeys(problems)), frozenset(self.broken))

    def _add(self, path: Sequence[str | int], message: str) -> None:
        self.issues.append(ValidationIssue(tuple(path), message))

    def _read_section(self, section: str, entries: object) -> None:
        if not isinstance(entries, dict):
            self._add((section,), f"expected names with servers, got {type(entries).__name__}")
            return
        for name, entry in entries.items():
            if len(self.servers) + len(self.broken) == _MAX_SERVERS:
                self._add((section,), f"has more than {_MAX_SERVERS} servers: the first {_MAX_SERVERS} are used")
                return
            if name in self.servers:
                self._add((section, name), "is given twice: the one under 'mcpServers' is used")
                continue
            settings = self._server(section, name, entry)
            if settings is None:
                self.broken.add(name)
            else:
                self.servers[name] = settings

    def _server(self, section: str, name: str, entry: object) -> McpServerSettings | None:
        """Return a server's settings; None if its entry is wrong, which is among ``issues`` then."""
        where = (section, name)
        if not _SERVER_NAME.fullmatch(name):
            self._add(where, _name_problem(name))
            return None
        if not isinstance(entry, dict):
            self._add(where, f'expected a server such as {{"command": ...}}, got {type(entry).__name__}')
            return None
        data = plain_entry(entry)
        self.issues += [ValidationIssue((*where, *issue.path), issue.message) for issue in entry_issues(entry)]
        try:
            settings = McpServerSettings.model_validate(data)
        except ValidationError as error:
            issues = [_explained(issue) for issue in validation_issues(error, data)]
        else:
            issues = [*placeholder_issues(settings), *_settings_issues(settings)]
        self.issues += [ValidationIssue((*where, *issue.path), issue.message) for issue in issues]
        return settings if not issues else None


def _unreadable(path: Path, problem: str) -> McpFile:
    return McpFile(path, problems=[problem], is_readable=False)


def _name_problem(name: str) -> str:
    better = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-._")[:64]
    hint = f". Rename it, to {better!r} say" if better else ""
    return f"expected a name of letters, digits, '_', '-' and '.', 64 at most, that begins with a letter or digit{hint}"


def _explained(issue: ValidationIssue) -> ValidationIssue:
    """Return an issue with the known keys, and without values that may be secret."""
    *parents, key = issue.path or ("",)
    if issue.error_type == "extra_forbidden":
        known = list(_record_at(parents).model_fields)
        return ValidationIssue(issue.path, f"unknown key.{did_you_mean(str(key), known)} Keys: {', '.join(known)}")
    if key in ("", "oauth") or issue.path[0] in ("env", "headers") or "oauth" in parents:
        return ValidationIssue(issue.path, issue.message.partition(", got ")[0])
    return issue


def _record_at(path: Sequence[str | int]) -> type[BaseModel]:
    return _RECORDS.get(".".join(map(str, path)), McpServerSettings)


_RECORDS: Mapping[str, type[BaseModel]] = {
    OUR_KEY: McpOptions,
    f"{OUR_KEY}.oauth": McpOAuth,
    f"{OUR_KEY}.tools": McpToolFilter,
}


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _settings_issues(settings: McpServerSettings) -> Iterator[ValidationIssue]:
    """Yield what no pattern can say."""
    if settings.command is not None and not settings.command.strip():
        yield ValidationIssue(("command",), "expected a program, got an empty text")
    if settings.type == "stdio" and settings.command is None:
        yield ValidationIssue(("type",), "expected http or sse: a server of type stdio has a command, this one a url")
    if settings.type not in (None, "stdio") and settings.url is None:
        yield ValidationIssue(("type",), f"expected stdio: a server of type {settings.type} has a url, not a command")
    if settings.url is not None and not re.match(r"https?://.|\$\{", settings.url):
        yield ValidationIssue(("url",), "expected a URL that begins with http:// or https://")
    for index, name in enumerate(settings.opspawn.env):
        if not _VARIABLE.fullmatch(name):
            message = "expected the name of an environment variable, such as LANG"
            yield ValidationIssue((OUR_KEY, "env", index), message)
