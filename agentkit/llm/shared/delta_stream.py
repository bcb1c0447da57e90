"""Pass on what a model says as it says it, and stop a model gone astray."""

from __future__ import annotations

from typing import Literal

from agentkit.errors import ModelOutputInvalid
from agentkit.interfaces import Emit, ModelDelta, ModelRequest
from agentkit.llm.shared.surrogates import ends_in_half, whole

__all__ = ["MAX_OUTPUT_CHARS", "Telling"]

MAX_OUTPUT_CHARS = 1_048_576
"""An answer longer than this is a model gone astray."""


class Telling:
    """What was said so far, as far as its length goes."""

    def __init__(self, request: ModelRequest, emit: Emit | None) -> None:
        self._model = request.model
        self._emit = emit
        self._size = 0
        self._half = ""

    @property
    def begun(self) -> bool:
        """Whether the model has said anything yet."""
        return self._size > 0

    def tell(self, kind: Literal["text", "thinking", "tool_arguments"] | None, text: str) -> None:
        """Pass on the next piece; None: only count it.

        Raises:
            ModelOutputInvalid: the answer is too long.
        """
        if not text:
            return
        self._size += len(text)
        if self._emit is not None and kind is not None:
            self._pass_on(self._emit, kind, self._half + text)
        if self._size > MAX_OUTPUT_CHARS:
            raise ModelOutputInvalid(f"{self._model} said more than {MAX_OUTPUT_CHARS:,} characters and was cut off")

    def _pass_on(self, emit: Emit, kind: Literal["text", "thinking", "tool_arguments"], text: str) -> None:
        """Pass on whole characters; half of one waits for what comes next."""
        self._half = text[-1] if ends_in_half(text) else ""
        if said := text.removesuffix(self._half):
            emit(ModelDelta(kind, whole(said)))
