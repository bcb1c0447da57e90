"""Replace ``${NAME}`` in the settings of MCP servers by secrets and environment variables. Only workers do so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from agentkit.errors import ConfigurationInvalid, SecretMissing
from agentkit.interfaces import Secrets
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.validation.validation_messages import ValidationIssue

__all__ = ["placeholder_issues", "placeholder_names", "resolved", "secret_or_variable"]

_PLACEHOLDER = re.compile(r"(\$?)\$\{([^{}]*)\}")
_NAME = re.compile(r"(?:env:)?([A-Za-z_][A-Za-z0-9_-]*?)(?::-(.*))?", re.DOTALL)
"""A name, as ``${NAME}``, ``${env:NAME}`` or ``${NAME:-default}``."""
_APP_DIR = "workspaceFolder"
"""What VS Code and Cursor call the directory of the project."""
_FILE = "mcp.json"

_Texts = dict[tuple[str | int, ...], str]


def secret_or_variable(secrets: Secrets, variables: Mapping[str, str]) -> Callable[[str], str | None]:
    """Return a function that looks up a name: the secret of that name, or else the environment variable, or else
    None."""

    def lookup(name: str) -> str | None:
        try:
            return secrets.values([name])[name]
        except SecretMissing:
            return variables.get(name)

    return lookup


def resolved(
    settings: McpServerSettings, lookup: Callable[[str], str | None], *, server: str, app_dir: Path
) -> McpServerSettings:
    """Return the settings with each ``${NAME}`` and ``${env:NAME}`` replaced by ``lookup(NAME)``.

    ``${NAME:-text}`` is ``text`` where ``lookup`` returns None; ``${workspaceFolder}`` is the app directory;
    ``$${NAME}`` is the text ``${NAME}``.

    Raises:
        ConfigurationInvalid: a name is missing, or a placeholder is of another kind; the message has the file, the
            server, the key, the name and the cure. It never has a value.
    """
    texts = {path: _replaced(text, path, lookup, server, app_dir) for path, text in _texts(settings).items()}
    if texts == _texts(settings):
        return settings
    data = settings.model_dump(by_alias=True, exclude_unset=True)
    for path, text in texts.items():
        _set(data, path, text)
    return McpServerSettings.model_validate(data)


def placeholder_names(settings: McpServerSettings) -> Sequence[str]:
    """Return the names that a worker must know: without those that have a default."""
    names = []
    for text in _texts(settings).values():
        for escaped, inner in _PLACEHOLDER.findall(text):
            match = _NAME.fullmatch(inner)
            if not escaped and match is not None and match[2] is None and inner != _APP_DIR:
                names.append(match[1])
    return list(dict.fromkeys(names))


def placeholder_issues(settings: McpServerSettings) -> Iterator[ValidationIssue]:
    """Yield the placeholders that no worker can replace, such as ``${input:token}``."""
    for path, text in _texts(settings).items():
        for escaped, inner in _PLACEHOLDER.findall(text):
            if not escaped and (problem := _problem(inner)) is not None:
                yield ValidationIssue(path, problem)


def _texts(settings: McpServerSettings) -> _Texts:
    """Return the texts that may have placeholders, by their paths."""
    texts: _Texts = {("env", name): value for name, value in settings.env.items()}
    texts |= {("args", index): value for index, value in enumerate(settings.args)}
    texts |= {("headers", name): value for name, value in settings.headers.items()}
    oauth = settings.opspawn.oauth
    optional: dict[tuple[str | int, ...], str | None] = {
        ("command",): settings.command,
        ("cwd",): settings.cwd,
        ("url",): settings.url,
        ("opspawn", "oauth", "client_id"): None if oauth is None else oauth.client_id,
        ("opspawn", "oauth", "client_secret"): None if oauth is None else oauth.client_secret,
    }
    return texts | {path: text for path, text in optional.items() if text is not None}


def _set(data: object, path: Sequence[str | int], text: str) -> None:
    """Replace the text at the path in nested keys and lists."""
    *parents, last = path
    for key in parents:
        if isinstance(data, dict) and isinstance(data[key], tuple):
            data[key] = list(data[key])
        data = data[key]  # type: ignore[index]  # the path is from the same settings
    data[last] = text  # type: ignore[index]


def _replaced(
    text: str, path: Sequence[str | int], lookup: Callable[[str], str | None], server: str, app_dir: Path
) -> str:
    def value(placeholder: re.Match[str]) -> str:
        escaped, inner = placeholder.groups()
        if escaped:
            return placeholder[0][1:]
        if inner == _APP_DIR:
            return str(app_dir.absolute())
        problem, match = _problem(inner), _NAME.fullmatch(inner)
        if problem is None and match is not None:
            found = lookup(match[1])
            found = match[2] if found is None else found
            if found is not None:
                return found
            problem = _missing(match[1])
        key = ".".join(map(str, ("mcpServers", server, *path)))
        raise ConfigurationInvalid(f"{app_dir / _FILE}: {key}: {problem}")

    return _PLACEHOLDER.sub(value, text)


def _missing(name: str) -> str:
    return (
        f"there is no secret {name!r}, and no environment variable {name} of the worker. Add to opspawn.toml, below "
        f'[secrets]: {name} = {{env = "VARIABLE"}} or {name} = {{file = "PATH"}}; or set the variable'
    )


def _problem(inner: str) -> str | None:
    """Return why no worker can replace ``${inner}``; None if one can."""
    if inner == _APP_DIR or _NAME.fullmatch(inner):
        return None
    kind, colon, name = inner.partition(":")
    if kind == "input" and colon:
        cure = re.sub(r"[^A-Za-z0-9_]", "_", name).upper() or "NAME"
        return (
            f"${{{inner}}} asks a person, which a worker can't. Write ${{{cure}}}, and add {cure} to [secrets] in "
            "opspawn.toml or to the environment of the worker"
        )
    return f"expected ${{NAME}}, ${{env:NAME}}, ${{NAME:-default}} or ${{{_APP_DIR}}}, got ${{{inner}}}"
