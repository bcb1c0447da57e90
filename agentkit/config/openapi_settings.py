"""Settings of OpenAPI documents: the section ``[openapi.NAME]``, for the document ``openapi/NAME.yaml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agentkit.config.durations import Duration
from agentkit.config.secret_sources import SecretName

__all__ = ["OpenApiSettings"]


class OpenApiSettings(BaseModel):
    """How the API that a document describes is reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    """Where a worker downloads the document when it starts, in place of a file of the app directory."""
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s?#]+$")] | None = None
    """Replaces the servers of the document."""
    secrets: dict[str, SecretName] = Field(default_factory=dict)
    """The secret for each security scheme of the document, by the scheme's name."""
    timeout: Duration = 60.0
    """Seconds that one request may take."""
