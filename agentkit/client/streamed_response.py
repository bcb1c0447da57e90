"""Assemble a model's response from the deltas that stream in."""

from __future__ import annotations

from typing import Literal

from agentkit.client.task_events import (
    ModelCompleted,
    ModelDeltaReceived,
    ModelFailed,
    ModelReset,
    ModelStarted,
)
from agentkit.client.watch import ConnectionLost, TaskUpdate
from agentkit.messages import ThinkingPart

__all__ = ["StreamedResponse"]


class StreamedResponse:
    """The model response of the current step: the deltas so far, or the complete message once it has arrived.

    Until then the beginning may be missing: deltas sent before the watch began, or while the connection was lost.
    """

    def __init__(self) -> None:
        self.model = ""
        """The model of the request, ``provider:name``."""
        self.finished = False
        """Whether the response is complete."""
        self._deltas: dict[Literal["text", "thinking", "tool_arguments"], list[str]] = {}

    @property
    def text(self) -> str:
        """The text of the response."""
        return "".join(self._deltas.get("text", ()))

    @property
    def thinking(self) -> str:
        """The model's reasoning before it."""
        return "".join(self._deltas.get("thinking", ()))

    def apply(self, update: TaskUpdate) -> None:
        """Apply the next item of ``watch`` or ``events``; other events change nothing."""
        match update:
            case ModelStarted():
                self._restart(update.model)
            case ModelDeltaReceived():
                self._deltas.setdefault(update.kind, []).append(update.text)
            case ModelReset() | ModelFailed() | ConnectionLost():
                self._restart(self.model)
            case ModelCompleted(message=message):
                self.finished = True
                if message is not None:
                    thoughts = [part.text for part in message.parts if isinstance(part, ThinkingPart)]
                    self._deltas = {"text": [message.text], "thinking": thoughts}

    def _restart(self, model: str) -> None:
        self.model = model
        self.finished = False
        self._deltas = {}
