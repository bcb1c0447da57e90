"""Google's Gemini format: write our requests in it."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from pydantic import JsonValue

from agentkit.errors import ModelRequestRejected
from agentkit.interfaces import ModelRequest
from agentkit.llm.google.profile import (
    checks_signatures,
    generation_config,
    told_schema,
    uses_output_tool,
    wire_function,
)
from agentkit.llm.shared.inline_images import inline_image
from agentkit.llm.shared.output_tool import output_tool
from agentkit.messages import ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult
from agentkit.specs import ToolSpec

__all__ = ["wire_request"]

_Part = dict[str, JsonValue]
_UNSIGNED = base64.b64encode(b"skip_thought_signature_validator").decode()
"""What Google wants on calls that another model made, and that no thought of its own stands behind."""


def wire_request(request: ModelRequest) -> dict[str, JsonValue]:
    """Return the body of the request.

    Raises:
        ModelRequestRejected: an image's URL doesn't say what kind of image it is.
    """
    written: dict[str, JsonValue] = {"contents": [*_contents(request.messages, request.model)]}
    if request.system.strip():
        written["systemInstruction"] = {"parts": [{"text": request.system}]}
    tools = [_declaration(tool) for tool in request.tools]
    if request.output_schema is not None and uses_output_tool(request):
        tools.append(_declaration(output_tool(request.output_schema)))
        written["toolConfig"] = {"functionCallingConfig": {"mode": "ANY"}}
    if tools:
        written["tools"] = [{"functionDeclarations": tools}]
    if config := generation_config(request):
        written["generationConfig"] = config
    return written


def _declaration(tool: ToolSpec) -> JsonValue:
    declared: _Part = {"name": wire_function(tool.name), "description": tool.description}
    if tool.parameters.get("properties"):  # a function without parameters has none to be told of
        declared["parametersJsonSchema"] = told_schema({**tool.parameters, "type": "object"})
    return declared


def _contents(messages: Sequence[Message], model: str) -> Iterator[JsonValue]:
    """Return the messages; the results of one answer's calls stand together, in one."""
    results: list[JsonValue] = []
    for message in messages:
        if message.role == "tool":
            results += [_result(part) for part in message.parts if isinstance(part, ToolResult)]
            continue
        if results:
            yield {"role": "user", "parts": results}
            results = []
        parts = [*(_answer(message, model) if message.role == "assistant" else _asked(message))]
        if parts:
            yield {"role": "model" if message.role == "assistant" else "user", "parts": parts}
    if results:
        yield {"role": "user", "parts": results}


def _asked(message: Message) -> Iterator[JsonValue]:
    for part in message.parts:
        if isinstance(part, TextPart) and part.text:
            yield {"text": part.text}
        elif isinstance(part, ImagePart):
            yield _image(part)


def _answer(message: Message, model: str) -> Iterator[JsonValue]:
    """Return what a model said, with each signature on the part that it came on."""
    ours = message.model in (None, model)  # what another Gemini thought proves nothing to this one
    signature: str | None = None
    unsigned = checks_signatures(model)
    for part in message.parts:
        match part:
            case ThinkingPart(signature=str() as proof) if ours and part.provider == model.partition(":")[0]:
                if isinstance(part.data, Mapping) and part.data.get("signs") in ("tool_call", "text"):
                    signature = proof
                else:
                    kind: _Part = {} if isinstance(part.data, Mapping) else {"thought": True}
                    yield {"text": part.text, **kind, "thoughtSignature": proof}
            case ToolCall():
                if unsigned and signature is None and not ours:
                    signature = _UNSIGNED
                yield _signed(_call(part), signature)
                signature, unsigned = None, False  # Google signs the first of parallel calls, and wants no more
            case TextPart() if part.text:
                yield _signed({"text": part.text}, signature)
                signature = None


def _signed(part: _Part, signature: str | None) -> _Part:
    return part if signature is None else {**part, "thoughtSignature": signature}


def _call(call: ToolCall) -> _Part:
    arguments: JsonValue = {**call.arguments}
    return {"functionCall": {**_id(call.id), "name": wire_function(call.name), "args": arguments}}


def _result(result: ToolResult) -> JsonValue:
    response: JsonValue = {"error" if result.is_error else "output": result.content}
    return {"functionResponse": {**_id(result.call_id), "name": wire_function(result.name), "response": response}}


def _id(call_id: str) -> _Part:
    return {"id": call_id} if call_id else {}


def _image(image: ImagePart) -> JsonValue:
    if (inline := inline_image(image)) is not None:
        media_type, data = inline
        return {"inlineData": {"mimeType": media_type, "data": data}}
    url = image.url or ""
    media_type = image.media_type or mimetypes.guess_type(urlsplit(url).path)[0] or ""
    if not media_type.startswith("image/"):
        raise ModelRequestRejected(
            f"Google has to be told what kind of image lies at {url!r}: give it a media_type such as image/png"
        )
    return {"fileData": {"mimeType": media_type, "fileUri": url}}
