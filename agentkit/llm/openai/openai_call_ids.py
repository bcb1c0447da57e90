"""The ids under which tool calls and their results are sent back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from agentkit.llm.shared.identifiers import fit_identifier
from agentkit.messages import Message

__all__ = ["CallIds", "openai_call_id", "short_call_id"]

_MAX_CALL_ID = 40
"""OpenAI's limit in Chat Completions; Responses accepts 64 characters."""
_SHORT = re.compile(r"[a-zA-Z0-9]{9}")
_GENERATED = re.compile(r"call_\d+_\d+")
"""Ids of the agent loop, for calls to which the server gave none."""
_MISTRAL = re.compile(r"mistral|mixtral|ministral|codestral|devstral|magistral|pixtral|voxtral", re.IGNORECASE)
_BASE_36 = "0123456789abcdefghijklmnopqrstuvwxyz"


class CallIds:
    """The ids of one request's tool calls, for the server that it is sent to.

    A model's own ids are sent as it gave them: they may contain signatures. Those of other models get the form that
    the server accepts: OpenAI's at ``openai``, Mistral's at all others, which is the strictest.
    """

    def __init__(self, messages: Sequence[Message], model: str) -> None:
        """Read the calls in the messages; ``model`` is the one that they are sent to."""
        self._is_openai = model.startswith("openai:")
        self._is_mistral = _MISTRAL.search(model) is not None
        self._own = {
            call.id
            for message in messages
            if message.model == model
            for call in message.tool_calls
            if not _GENERATED.fullmatch(call.id)
        }

    def sent(self, call_id: str) -> str:
        """Return the id to send for a call and its result."""
        if call_id in self._own and not self._is_mistral:
            return call_id
        return openai_call_id(call_id) if self._is_openai and not self._is_mistral else short_call_id(call_id)


def openai_call_id(call_id: str) -> str:
    """Return an id that OpenAI accepts: at most 40 letters, digits, ``_`` and ``-``."""
    return fit_identifier(call_id, _MAX_CALL_ID)


def short_call_id(call_id: str) -> str:
    """Return an id that Mistral accepts, and every other server: nine letters and digits."""
    if _SHORT.fullmatch(call_id):
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode(errors="surrogatepass")).digest()[:8])
    digits = []
    for _ in range(9):
        number, digit = divmod(number, len(_BASE_36))
        digits.append(_BASE_36[digit])
    return "".join(digits)
