"""Piece together the answer that a model is writing."""

from __future__ import annotations

from typing import Literal

from agentkit.client.task_events import (
    ModelCompleted,
    ModelDelta,
    ModelFailed,
    ModelReset,
    ModelStarted,
)
from agentkit.client.watch import Lost, Update
from agentkit.messages import ThinkingPart

__all__ = ["StreamedAnswer"]


class StreamedAnswer:
    """What the model has said in this step so far; whole, by ``model.completed``, when it has finished.

    A watcher that came late or lost its connection may lack the beginning until then.
    """

    def __init__(self) -> None:
        self.model = ""
        """Who is asked, ``provider:name``."""
        self.finished = False
        """Whether the answer is complete."""
        self._said: dict[Literal["text", "thinking", "tool_arguments"], list[str]] = {}

    @property
    def text(self) -> str:
        """The answer's text."""
        return "".join(self._said.get("text", ()))

    @property
    def thinking(self) -> str:
        """What the model thought before."""
        return "".join(self._said.get("thinking", ()))

    def take(self, update: Update) -> None:
        """Take the next of what ``watch`` or ``events`` yields; what has nothing to do with answers is passed over."""
        match update:
            case ModelStarted():
                self._begin(update.model)
            case ModelDelta():
                self._said.setdefault(update.kind, []).append(update.text)
            case ModelReset() | ModelFailed() | Lost():
                self._begin(self.model)
            case ModelCompleted(message=message):
                self.finished = True
                if message is not None:
                    thoughts = [part.text for part in message.parts if isinstance(part, ThinkingPart)]
                    self._said = {"text": [message.text], "thinking": thoughts}

    def _begin(self, model: str) -> None:
        self.model = model
        self.finished = False
        self._said = {}
