"""How operations authenticate: by secrets that the settings name for the document's security schemes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agentkit.interfaces import Secrets
from agentkit.openapi.openapi_document import Node, OpenApiDocument, OpenApiIssue

__all__ = ["Credentials", "SecurityOption", "SecurityScheme", "security_options"]


@dataclass(frozen=True)
class SecurityScheme:
    """One way to send a secret."""

    name: str
    kind: Literal["bearer", "basic", "header", "query", "cookie"]
    parameter: str = "Authorization"
    """The name of the header, query parameter or cookie."""
    secret: str | None = None
    """The secret's name; None: the settings name none."""


SecurityOption = tuple[SecurityScheme, ...]
"""Schemes that are needed together; none: no authentication."""


@dataclass
class Credentials:
    """What a request carries. ``repr`` hides it."""

    headers: dict[str, str] = field(default_factory=dict, repr=False)
    query: dict[str, str] = field(default_factory=dict, repr=False)
    cookies: dict[str, str] = field(default_factory=dict, repr=False)

    def add(self, scheme: SecurityScheme, secrets: Secrets, url: str) -> None:
        """Add a secret.

        Raises:
            SecretMissing: it is not set, or its setting doesn't allow the host of ``url``.
        """
        value = secrets.value_for(scheme.secret or "", url)
        match scheme.kind:
            case "bearer":
                self.headers["Authorization"] = f"Bearer {value}"
            case "basic":
                self.headers["Authorization"] = f"Basic {base64.b64encode(value.encode()).decode()}"
            case "header":
                self.headers[scheme.parameter] = value
            case "query":
                self.query[scheme.parameter] = value
            case "cookie":
                self.cookies[scheme.parameter] = value


def security_options(
    document: OpenApiDocument, operation: Node, secrets: Mapping[str, str], path: tuple[str | int, ...]
) -> tuple[SecurityOption, ...]:
    """Return the ways in which an operation may authenticate; first those whose secrets are all named."""
    required = operation.get("security", document.root.get("security"))
    options = [
        tuple(_scheme(document, name, secrets, (*path, "security")) for name in requirement)
        for requirement in (required if isinstance(required, list) else ())
        if isinstance(requirement, dict)
    ]
    named = [option for option in options if all(scheme.secret is not None for scheme in option)]
    named.sort(key=lambda option: not option)  # with a secret before without any
    return (*named, *(option for option in options if option not in named))


def _scheme(
    document: OpenApiDocument, name: str, secrets: Mapping[str, str], path: tuple[str | int, ...]
) -> SecurityScheme:
    schemes = document.security_schemes
    if name not in schemes:
        raise OpenApiIssue(path, f"there is no security scheme {name!r}")
    node = document.resolve(schemes[name], ("components", "securitySchemes", name))
    secret = secrets.get(name)
    place, parameter = node.get("in"), str(node.get("name"))
    if node.get("type") == "apiKey":
        if place == "query":
            return SecurityScheme(name, "query", parameter, secret)
        return SecurityScheme(name, "cookie" if place == "cookie" else "header", parameter, secret)
    if node.get("type") == "http" and str(node.get("scheme")).lower() == "basic":
        return SecurityScheme(name, "basic", secret=secret)
    return SecurityScheme(name, "bearer", secret=secret)  # OAuth 2 and OpenID Connect, too
