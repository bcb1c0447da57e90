"""How other programs write the entries of MCP servers: names that they have for our keys, and keys that aren't ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agentkit.mcp_config.mcp_settings import McpOptions, McpServerSettings
from agentkit.validation.validation_messages import ValidationIssue, did_you_mean

__all__ = ["OUR_KEY", "entry_issues", "plain_entry"]

OUR_KEY = "opspawn"
"""The key of a server that has Opspawn's own keys."""

_ALIASES = {
    "serverUrl": "url",  # Windsurf
    "httpUrl": "url",  # Gemini CLI
    "transport": "type",
    "transportType": "type",  # Cline
}
_TYPES = {
    "stdio": "stdio",
    "local": "stdio",  # Copilot CLI
    "http": "http",
    "streamablehttp": "http",
    "sse": "sse",
}
_IGNORED = {
    *("$schema", "_comment", "comment", "description", "displayName", "icon", "id", "instructions", "name", "title"),
    *("alwaysAllow", "autoApprove", "trust"),  # policy decides
    *("initTimeout", "startupTimeout", "timeout"),  # in milliseconds or seconds, by program: opspawn.timeout
    *("autoStart", "dev", "enabled", "gallery", "installed", "isActive", "registry", "version", "watchPaths"),
}
"""Keys that other programs write, and that change nothing here."""
_NOT_READ = {
    "envFile": 'name the variables in "opspawn": {"env": [...]}, or write ${NAME} in env',
    "headersHelper": "write ${NAME} in headers, with a secret",
    **dict.fromkeys(("auth", "authProviderType", "oauth"), 'write "opspawn": {"oauth": ...}'),
    **dict.fromkeys(
        ("disabledTools", "enabledTools", "excludeTools", "includeTools", "tools"),
        'write "opspawn": {"tools": {"allow": [...], "deny": [...]}}',
    ),
    **dict.fromkeys(("sandbox", "sandboxEnabled"), "the server's process is not confined here"),
}
"""Keys that other programs write, whose server may not do here what it does there; each with the cure."""


def plain_entry(entry: Mapping[str, object]) -> dict[str, object]:
    """Return a server's entry with our names of its keys and values, and without keys that aren't ours."""
    data = {key: value for key, value in entry.items() if key in McpServerSettings.model_fields}
    for alias, key in _ALIASES.items():
        if alias in entry:
            data.setdefault(key, entry[alias])
    if isinstance(kind := data.get("type"), str):
        data["type"] = _TYPES.get(kind.lower().replace("-", "").replace("_", ""), kind)
    if entry.get("enabled") is False or entry.get("isActive") is False:
        data["disabled"] = True
    if isinstance(variables := data.get("env"), dict):
        data["env"] = {name: _as_text(value) for name, value in variables.items() if value is not None}
    return {key: value for key, value in data.items() if value is not None}


def _as_text(value: object) -> object:
    """Return a number or boolean as the text that a variable has; other values are errors."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def entry_issues(entry: Mapping[str, object]) -> Iterator[ValidationIssue]:
    """Yield the keys that are not read, although they change what the server does, or may be a slip."""
    known = [*McpServerSettings.model_fields, *_ALIASES]
    for key in entry:
        if key in known or key in _IGNORED or key.startswith(("_", "//", "#")):
            continue
        if key in _NOT_READ:
            yield ValidationIssue((key,), f"is not read: {_NOT_READ[key]}")
        elif key in McpOptions.model_fields:
            yield ValidationIssue((key,), f'is not read here. Write "{OUR_KEY}": {{"{key}": ...}}')
        else:
            yield ValidationIssue((key,), f"unknown key, which is not read.{did_you_mean(key, known)}")
    command = entry.get("command")
    if isinstance(command, str) and not entry.get("args") and command[:1] not in "/.~$" and " " in command.strip():
        program, *arguments = command.split()
        listed = ", ".join(f'"{argument}"' for argument in arguments)
        yield ValidationIssue(("command",), f'names one program. Write "command": "{program}", "args": [{listed}]')
