"""Sampling of MCP servers: their requests to a model as ours, and a model's response as they read it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue, ValidationError

from agentkit.errors import OpspawnError
from agentkit.interfaces import ModelRequest, ModelResponse
from agentkit.messages import ImagePart, InputPart, Message, TextPart
from agentkit.records import Record
from agentkit.specs import ModelSettings

__all__ = [
    "SAMPLING_METHOD",
    "SamplingInvalid",
    "SamplingRequest",
    "read_sampling_request",
    "sampling_result",
    "shown_sampling",
    "to_model_request",
]

SAMPLING_METHOD = "sampling/createMessage"
"""The protocol's name for a request to a model."""

_MAX_TOKENS = 100_000
_MAX_TEMPERATURE = 2.0


class SamplingInvalid(OpspawnError):
    """A server's request can't be sent to a model; the message is for the server."""


class SamplingRequest(Record):
    """What a server asks a model."""

    messages: tuple[Message, ...]
    system: str = ""
    max_tokens: int
    """Of the response."""
    temperature: float | None = None


def read_sampling_request(params: Mapping[str, JsonValue]) -> SamplingRequest:
    """Return the parameters of ``sampling/createMessage`` as a request. Stop sequences and preferences are left out.

    Raises:
        SamplingInvalid: they are not as the protocol says, or have tools or audio.
    """
    messages, limit, temperature = params.get("messages"), params.get("maxTokens"), params.get("temperature")
    if not isinstance(messages, list) or not messages:
        raise SamplingInvalid("The request to the model has no messages.")
    if params.get("tools"):
        raise SamplingInvalid("Tools are not taken in requests to the model.")
    return SamplingRequest(
        messages=tuple(map(_message, messages)),
        system=str(params.get("systemPrompt") or ""),
        max_tokens=max(1, min(limit, _MAX_TOKENS)) if isinstance(limit, int) else _MAX_TOKENS,
        temperature=None if not isinstance(temperature, int | float) else max(0.0, min(temperature, _MAX_TEMPERATURE)),
    )


def _message(data: JsonValue) -> Message:
    if not isinstance(data, dict) or data.get("role") not in ("user", "assistant"):
        raise SamplingInvalid("A message to the model has the role user or assistant.")
    content = data.get("content")
    parts = content if isinstance(content, list) else [content]
    return Message(role="assistant" if data["role"] == "assistant" else "user", parts=tuple(map(_part, parts)))


def _part(content: JsonValue) -> InputPart:
    kind = content.get("type") if isinstance(content, dict) else None
    if isinstance(content, dict) and kind == "text":
        return TextPart(text=str(content.get("text") or ""))
    if isinstance(content, dict) and kind == "image":
        try:
            return ImagePart.model_validate({"data": content.get("data"), "media_type": content.get("mimeType")})
        except ValidationError:
            raise SamplingInvalid("An image to the model has data in base64 and a mimeType.") from None
    raise SamplingInvalid(f"The model takes text and images, not {str(kind)[:40]!r}.")


def shown_sampling(sampling: SamplingRequest) -> dict[str, JsonValue]:
    """Return what the model would read, for the person who allows it; without the data of images."""
    messages: list[JsonValue] = [{"role": message.role, "text": _shown(message)} for message in sampling.messages]
    system: dict[str, JsonValue] = {"system": sampling.system} if sampling.system else {}
    return {**system, "messages": messages, "max_tokens": sampling.max_tokens}


def _shown(message: Message) -> str:
    return "\n".join(part.text if isinstance(part, TextPart) else "[image]" for part in message.parts)


def to_model_request(sampling: SamplingRequest, model: str, attempt: int) -> ModelRequest:
    """Return the request to the model ``provider:name``."""
    settings = ModelSettings(max_output_tokens=sampling.max_tokens, temperature=sampling.temperature)
    return ModelRequest(
        model=model, system=sampling.system, messages=sampling.messages, settings=settings, attempt=attempt
    )


def sampling_result(response: ModelResponse, model: str) -> dict[str, JsonValue]:
    """Return the result of ``sampling/createMessage``."""
    return {
        "role": "assistant",
        "content": {"type": "text", "text": response.message.text},
        "model": response.message.model or model,
        "stopReason": "maxTokens" if response.stop_reason == "length" else "endTurn",
    }
