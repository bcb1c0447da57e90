"""The operations of an OpenAPI document: what a model may give, and how a request is made of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast, get_args
from urllib.parse import urljoin

from pydantic import JsonValue

from agentkit.config.openapi_settings import OpenApiSettings
from agentkit.errors import ConfigurationInvalid
from agentkit.openapi.openapi_body import FILE_SCHEMA, FORM, MULTIPART, Body, PropertyEncoding, is_json_type, media_rank
from agentkit.openapi.openapi_document import Node, OpenApiDocument, OpenApiIssue
from agentkit.openapi.openapi_parameters import Parameter, Place
from agentkit.openapi.openapi_schemas import SchemaConverter
from agentkit.openapi.openapi_security import SecurityOption, security_options
from agentkit.schemas.schema_rules import check_schema
from agentkit.specs import Effect, ToolSpec

__all__ = ["IDEMPOTENCY_HEADER", "Operation", "read_operations"]

IDEMPOTENCY_HEADER = "Idempotency-Key"

_EFFECTS: Mapping[str, Effect] = {
    "get": "pure",
    "head": "pure",
    "options": "pure",
    "trace": "pure",
    "put": "idempotent",
    "delete": "idempotent",
    "post": "irreversible",
    "patch": "irreversible",
}
_STYLES: Mapping[str, tuple[str, ...]] = {
    "path": ("simple",),
    "header": ("simple",),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "cookie": ("form",),
}
_IGNORED_HEADERS = ("accept", "content-type", "authorization", IDEMPOTENCY_HEADER.lower())
"""The specification has the first three ignored; the worker fills in the last."""
_MAX_NAME_CHARS = 64
_MAX_DESCRIPTION_CHARS = 1_500
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Operation:
    """An operation, ready to be called."""

    spec: ToolSpec
    method: str
    url: str
    """Of the server and path, with the path's parameters in braces."""
    parameters: tuple[Parameter, ...]
    body: Body | None
    security: tuple[SecurityOption, ...]
    """Ways to authenticate, the preferred one first; none: not needed."""


def read_operations(
    document: OpenApiDocument, name: str, settings: OpenApiSettings
) -> tuple[list[Operation], list[OpenApiIssue]]:
    """Return the operations that can be called, and what is wrong with the others; ``name`` is the tools' prefix."""
    operations: list[Operation] = []
    issues: list[OpenApiIssue] = []
    names: set[str] = set()
    paths = document.root.get("paths")
    for template, item in (paths if isinstance(paths, dict) else {}).items():
        path: Path = ("paths", template)
        try:
            methods = document.resolve(item, path)
        except OpenApiIssue as issue:
            issues.append(issue)
            continue
        for method, node in methods.items():
            if method in _EFFECTS and isinstance(node, dict):
                try:
                    reader = _Reader(document, settings, method, template, methods, node, (*path, method))
                    operations.append(reader.read(_unique(_tool_name(name, node, method, template), names)))
                except OpenApiIssue as issue:
                    issues.append(issue)
    return operations, issues


def _tool_name(prefix: str, node: Node, method: str, template: str) -> str:
    operation = str(node.get("operationId") or f"{method}{template}")
    name = _NOT_IN_NAMES.sub("_", f"{prefix}__{_NOT_IN_NAMES.sub('_', operation).strip('_')}")
    return name if name[:1].isalpha() else f"api_{name}"


def _unique(name: str, names: set[str]) -> str:
    """Return a name that is short enough and not taken, and take it."""
    if len(name) > _MAX_NAME_CHARS:
        name = f"{name[: _MAX_NAME_CHARS - 9]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    unique, number = name, 1
    while unique.lower() in names:
        number += 1
        unique = f"{name[: _MAX_NAME_CHARS - 4]}_{number}"
    names.add(unique.lower())
    return unique


class _Reader:
    """Reads one operation."""

    def __init__(
        self,
        document: OpenApiDocument,
        settings: OpenApiSettings,
        method: str,
        template: str,
        shared: Node,
        node: Node,
        path: Path,
    ) -> None:
        self._document, self._settings = document, settings
        self._method, self._template, self._shared, self._node, self._path = method, template, shared, node, path
        self._schemas = SchemaConverter(document)
        self._properties: dict[str, JsonValue] = {}
        self._required: list[str] = []

    def read(self, name: str) -> Operation:
        parameters = tuple(self._parameters())
        missing = set(re.findall(r"\{([^{}]+)\}", self._template)) - {
            parameter.name for parameter in parameters if parameter.place == "path"
        }
        if missing:
            raise OpenApiIssue((*self._path, "parameters"), f"the path's parameter {min(missing)!r} is not among them")
        body = self._body()
        schema: dict[str, JsonValue] = {"type": "object", "properties": self._properties, "additionalProperties": False}
        if self._required:
            schema["required"] = cast("list[JsonValue]", self._required)
        if self._schemas.definitions:
            schema["$defs"] = self._schemas.definitions
        try:
            check_schema(schema)
        except ConfigurationInvalid as error:
            raise OpenApiIssue(self._path, f"its arguments have no usable schema: {error}") from None
        spec = ToolSpec(
            name=name,
            description=self._description(),
            parameters=schema,
            effect=self._effect(),
            timeout=self._settings.timeout,
        )
        security = security_options(self._document, self._node, self._settings.secrets, self._path)
        return Operation(spec, self._method.upper(), self._url(), parameters, body, security)

    def _description(self) -> str:
        texts = [self._node.get("summary"), self._node.get("description")]
        if self._node.get("deprecated") is True:
            texts.append("Deprecated.")
        written = [text.strip() for text in texts if isinstance(text, str) and text.strip()]
        text = "\n\n".join(dict.fromkeys(written)) or f"{self._method.upper()} {self._template}"
        return text if len(text) <= _MAX_DESCRIPTION_CHARS else f"{text[:_MAX_DESCRIPTION_CHARS]}..."

    def _effect(self) -> Effect:
        effect = self._node.get("x-opspawn-effect", _EFFECTS[self._method])
        if effect not in get_args(Effect):
            allowed = ", ".join(get_args(Effect))
            raise OpenApiIssue((*self._path, "x-opspawn-effect"), f"expected one of {allowed}, got {effect!r}")
        return cast("Effect", effect)

    def _url(self) -> str:
        if self._settings.base_url is not None:
            return self._settings.base_url.rstrip("/") + self._template
        for owner in (self._node, self._shared, self._document.root):
            servers = owner.get("servers")
            if isinstance(servers, list) and servers and isinstance(servers[0], dict):
                url = urljoin(self._settings.url or "", _server_url(servers[0]))
                if url.startswith(("http://", "https://")):
                    return url.rstrip("/") + self._template
                break
        message = "no server with an absolute URL. Add one, or set base_url of the document in opspawn.toml"
        raise OpenApiIssue(("servers",), message)

    def _parameters(self) -> Iterator[Parameter]:
        nodes: dict[tuple[str, str], tuple[Node, Path]] = {}
        for owner, path in ((self._shared, self._path[:-1]), (self._node, self._path)):
            listed = owner.get("parameters")
            for index, item in enumerate(listed if isinstance(listed, list) else ()):
                place: Path = (*path, "parameters", index)
                node = self._document.resolve(item, place)
                nodes[str(node.get("name")), str(node.get("in"))] = (node, place)
        for (name, where), (node, place) in nodes.items():
            if where != "header" or name.lower() not in _IGNORED_HEADERS:
                yield self._parameter(name, where, node, place)

    def _parameter(self, name: str, place: str, node: Node, path: Path) -> Parameter:
        style = str(node.get("style") or _STYLES[place][0])
        if style not in _STYLES[place]:
            raise OpenApiIssue((*path, "style"), f"expected one of {', '.join(_STYLES[place])}, got {style!r}")
        content = node.get("content")
        media_type = next(iter(content), "") if isinstance(content, dict) else ""
        holder = cast("Node", content)[media_type] if media_type else node
        schema = holder.get("schema", {}) if isinstance(holder, dict) else {}
        converted = self._schemas.convert(schema, (*path, "schema"))
        argument = self._add(name, converted, node, is_required=node.get("required") is True or place == "path")
        explode = node.get("explode")
        return Parameter(
            argument=argument,
            name=name,
            place=cast("Place", place),
            style=style,
            explode=explode if isinstance(explode, bool) else style == "form",
            is_json=is_json_type(media_type),
            allow_reserved=node.get("allowReserved") is True,
        )

    def _add(self, name: str, schema: JsonValue, node: Node, *, is_required: bool) -> str:
        """Add an argument; return its name, which is that of the parameter made valid and unique."""
        base = unique = _NOT_IN_NAMES.sub("_", name).strip("_") or "value"
        number = 1
        while unique in self._properties:
            number += 1
            unique = f"{base}_{number}"
        description = node.get("description")
        if isinstance(description, str) and isinstance(schema, dict):
            schema = {**schema, "description": description.strip()[:_MAX_DESCRIPTION_CHARS]}
        self._properties[unique] = schema
        if is_required:
            self._required.append(unique)
        return unique

    def _body(self) -> Body | None:
        if "requestBody" not in self._node:
            return None
        path: Path = (*self._path, "requestBody")
        node = self._document.resolve(self._node["requestBody"], path)
        content = node.get("content")
        if not isinstance(content, dict) or not content:
            return None
        media_type = min(content, key=media_rank)
        holder = content[media_type]
        inside: Path = (*path, "content", media_type)
        media = holder if isinstance(holder, dict) else {}
        encodings = _encodings(media)
        schema = self._body_schema(media_type, media.get("schema", {}), (*inside, "schema"))
        is_required = node.get("required") is True
        argument = self._add("body", schema, node, is_required=is_required)
        return Body(argument, media_type, is_required, encodings)

    def _body_schema(self, media_type: str, schema: JsonValue, path: Path) -> JsonValue:
        if is_json_type(media_type):
            return self._schemas.convert(schema, path)
        if media_type in (FORM, MULTIPART) and isinstance(schema, dict):
            resolved = self._document.resolve(schema, path)
            converted = self._schemas.convert(resolved, path)
            if media_type == MULTIPART and isinstance(converted, dict):
                return {**converted, "properties": self._file_properties(resolved, converted, path)}
            return converted
        return {"type": "string"} if media_type.startswith("text/") else dict(FILE_SCHEMA)

    def _file_properties(self, resolved: Node, converted: Node, path: Path) -> JsonValue:
        """Return the properties of a form with files: each as an object with a name and content."""
        properties = dict(cast("Node", converted.get("properties") or {}))
        declared = resolved.get("properties")
        for name, item in (declared if isinstance(declared, dict) else {}).items():
            inside: Path = (*path, "properties", name)
            node = self._document.resolve(item, inside) if isinstance(item, dict) else {}
            if _is_binary(node):
                properties[name] = _file_schema(node)
            elif node.get("type") == "array" and isinstance(node.get("items"), dict):
                items = self._document.resolve(node["items"], (*inside, "items"))
                if _is_binary(items):
                    properties[name] = {"type": "array", "items": _file_schema(items)}
        return properties


def _server_url(server: Node) -> str:
    url, variables = str(server.get("url", "")), server.get("variables")
    for name, variable in (variables if isinstance(variables, dict) else {}).items():
        if isinstance(variable, dict):
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    return url


def _encodings(media: Node) -> Mapping[str, PropertyEncoding]:
    listed = media.get("encoding")
    encodings = {}
    for name, item in (listed if isinstance(listed, dict) else {}).items():
        if isinstance(item, dict):
            content_type = item.get("contentType")
            is_exploded = item.get("explode") is not False
            encodings[name] = PropertyEncoding(content_type if isinstance(content_type, str) else None, is_exploded)
    return encodings


def _is_binary(schema: Node) -> bool:
    if schema.get("format") == "binary":
        return True
    has_media = "contentMediaType" in schema and "contentEncoding" not in schema
    return has_media and schema.get("type", "string") == "string"


def _file_schema(schema: Node) -> dict[str, JsonValue]:
    description = schema.get("description")
    texts = [description] if isinstance(description, str) else []
    return {**FILE_SCHEMA, "description": " ".join([*texts, str(FILE_SCHEMA["description"])])}
