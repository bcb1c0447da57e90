"""Read ``openapi/*.yaml`` and ``openapi/*.json``: each operation of these documents becomes a tool."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from agentkit.catalog.definition_source import DefinitionSource, read_yaml
from agentkit.catalog.openapi_downloads import OpenApiDownloads
from agentkit.catalog.yaml_limits import YamlLimits, document_problem, read_bounded
from agentkit.config.openapi_settings import OpenApiSettings
from agentkit.errors import ToolInvalid
from agentkit.interfaces import HttpClient, Secrets, Tool
from agentkit.openapi import OpenApiDocument, OpenApiTool, read_operations, validate_document
from agentkit.validation.validation_messages import ValidationIssue, did_you_mean

__all__ = ["OpenApiFile", "OpenApiFiles"]

_EXAMPLE = "openapi: 3.1.0"
_MAX_ISSUES = 20
_MAX_EXACT_BYTES = 100_000
"""Larger documents are read without their lines, unless something is wrong: those take 4 s for each megabyte."""
_LIMITS = YamlLimits(max_bytes=5_000_000, max_values=500_000)


@dataclass(frozen=True)
class OpenApiFile:
    """A document's tools with their origins, and what is wrong with it."""

    path: Path
    tools: Sequence[tuple[Tool, str]] = ()
    problem: str | None = None


@dataclass(frozen=True)
class OpenApiFiles:
    """The OpenAPI documents of an app directory."""

    app_dir: Path
    downloads: OpenApiDownloads
    settings: Mapping[str, OpenApiSettings]
    secret_names: Collection[str]
    """The names of all secrets in the settings."""
    client: HttpClient | None
    secrets: Secrets

    def paths(self) -> Sequence[Path]:
        """Return the documents, sorted by name, without those that start with ``_`` or ``.``; then downloaded ones."""
        files = sorted(
            path
            for path in (self.app_dir / "openapi").glob("*")
            if path.suffix in (".yaml", ".yml", ".json") and not path.name.startswith(("_", "."))
        )
        downloaded = (self.downloads.path(name) for name in sorted(self.downloads.urls()))
        return [*files, *(path for path in downloaded if path.is_file())]

    def read(self) -> Iterator[OpenApiFile]:
        """Read all OpenAPI documents of the app directory."""
        paths = self.paths()
        for path in paths:
            try:
                yield self._read(path)
            except ToolInvalid as error:
                yield OpenApiFile(path, problem=str(error))
        stems = {path.stem for path in paths}
        for name in sorted(self.settings.keys() - stems):
            file = self.app_dir / "openapi" / f"{name}.yaml"
            message = f"Setting openapi.{name}: there is no document {file}.{did_you_mean(name, stems)}"
            if url := self.settings[name].url:
                message = f"Setting openapi.{name}: a worker that starts downloads {url}. None has done so yet."
            yield OpenApiFile(file, problem=message)

    def _read(self, path: Path) -> OpenApiFile:
        document = validate_document(_read_data(path))
        if not isinstance(document, OpenApiDocument):
            raise _source(path).error(document[:_MAX_ISSUES])
        settings = self.settings.get(path.stem, OpenApiSettings())
        operations, issues = read_operations(document, path.stem, settings)
        tools = [(OpenApiTool(operation, self.client, self.secrets), str(path)) for operation in operations]
        found = list(dict.fromkeys((issue.path, issue.message) for issue in issues))[:_MAX_ISSUES]
        problems = [str(_source(path).error(ValidationIssue(*issue) for issue in found))] if found else []
        problems += self._settings_problems(path.stem, settings, document.security_schemes)
        return OpenApiFile(path, tools, "\n".join(problems) or None)

    def _settings_problems(self, name: str, settings: OpenApiSettings, schemes: Collection[str]) -> Iterator[str]:
        for scheme, secret in settings.secrets.items():
            key = f"Setting openapi.{name}.secrets.{scheme}"
            if scheme not in schemes:
                known = ", ".join(schemes) or "none"
                yield f"{key}: there is no such security scheme.{did_you_mean(scheme, schemes)} Schemes: {known}"
            if secret not in self.secret_names:
                yield f"{key}: there is no secret {secret!r}.{did_you_mean(secret, self.secret_names)}"


def _read_data(path: Path) -> Mapping[str, object]:
    """Return the content of a document.

    Raises:
        ToolInvalid: it is no valid YAML; the message has the line.
    """
    with suppress(OSError, ValueError, RecursionError, yaml.YAMLError):  # the exact reader explains it
        content = read_bounded(path, _LIMITS.max_bytes)
        data: object = None
        if content.lstrip().startswith(b"{"):
            data = json.loads(content)
        elif len(content) > _MAX_EXACT_BYTES and yaml.__with_libyaml__:
            node = yaml.compose(content, Loader=yaml.CSafeLoader)
            if node is not None and document_problem(node, _LIMITS.max_values) is None:
                data = yaml.load(content, Loader=yaml.CSafeLoader)
        if isinstance(data, dict):
            return data
    return read_yaml(path, ToolInvalid, example=_EXAMPLE, limits=_LIMITS)[0]


def _source(path: Path) -> DefinitionSource:
    return read_yaml(path, ToolInvalid, example=_EXAMPLE, limits=_LIMITS)[1]
