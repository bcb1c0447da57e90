"""What spans and events have of the contents of tasks: nothing, unless OpenTelemetry's standard switch asks for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from agentkit.interfaces import NoSecrets, Secrets

__all__ = ["CAPTURE_VARIABLE", "ContentCapture", "ContentMode", "content_mode"]

CAPTURE_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

ContentMode = Literal["NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT"]

logger = logging.getLogger("opspawn.telemetry")


@dataclass(frozen=True, slots=True)
class ContentCapture:
    """Where contents go to, and the secrets that are redacted first."""

    mode: ContentMode = "NO_CONTENT"
    secrets: Secrets = NoSecrets()  # noqa: RUF009  stateless

    @property
    def on_spans(self) -> bool:
        """Whether spans have contents."""
        return self.mode in ("SPAN_ONLY", "SPAN_AND_EVENT")

    @property
    def on_events(self) -> bool:
        """Whether each request to a model is a log event, with its contents."""
        return self.mode in ("EVENT_ONLY", "SPAN_AND_EVENT")


def content_mode(environment: Mapping[str, str]) -> ContentMode:
    """Return what the switch says. A value that it doesn't have captures nothing, and is warned of."""
    text = environment.get(CAPTURE_VARIABLE, "").strip()
    modes: tuple[ContentMode, ...] = get_args(ContentMode)
    found = next((mode for mode in modes if mode == text.upper()), None)
    if found is None and text:
        logger.warning(
            "%s=%s: no such value, so no content is captured. Values: %s.",
            CAPTURE_VARIABLE,
            text[:50],
            ", ".join(modes),
        )
    return found or "NO_CONTENT"
