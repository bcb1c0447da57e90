"""Read ``openapi/*.yaml`` and ``openapi/*.json``: each operation of these documents becomes a tool."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agentkit.catalog.definition_source import read_yaml
from agentkit.catalog.openapi_downloads import OpenApiDownloads
from agentkit.config.openapi_settings import OpenApiSettings
from agentkit.errors import ToolInvalid
from agentkit.interfaces import HttpClient, Secrets, Tool
from agentkit.openapi import OpenApiDocument, OpenApiTool, read_operations, validate_document
from agentkit.validation_messages import ValidationIssue, did_you_mean

__all__ = ["OpenApiFile", "OpenApiFiles"]

_MAX_ISSUES = 20


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
        """Read all documents."""
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
        data, source = read_yaml(path, ToolInvalid, example="openapi: 3.1.0")
        document = validate_document(data)
        if not isinstance(document, OpenApiDocument):
            raise source.error(document[:_MAX_ISSUES])
        settings = self.settings.get(path.stem, OpenApiSettings())
        operations, issues = read_operations(document, path.stem, settings)
        tools = [(OpenApiTool(operation, self.client, self.secrets), str(path)) for operation in operations]
        found = list(dict.fromkeys((issue.path, issue.message) for issue in issues))[:_MAX_ISSUES]
        problems = [str(source.error(ValidationIssue(*issue) for issue in found))] if found else []
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
