"""Convert requests to Google's Gemini format."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from pydantic import JsonValue

from agentkit.errors import ModelRequestRejected
from agentkit.interfaces import ModelRequest
from agentkit.llm.google.profile import gemini_tool_name, generation_config, requires_signatures, uses_output_tool
from agentkit.llm.google.schema import gemini_schema
from agentkit.llm.shared.inline_images import inline_image
from agentkit.llm.shared.output_tool import output_tool
from agentkit.llm.shared.refused_fields import any_mention
from agentkit.llm.shared.tool_parameters import object_parameters
from agentkit.llm.shared.user_content import user_content
from agentkit.messages import FilePart, ImagePart, Message, TextPart, ThinkingPart, ToolCall, ToolResult
from agentkit.specs import ToolSpec

__all__ = ["OPTIONAL_FIELDS", "gemini_body"]

OPTIONAL_FIELDS: Mapping[str, re.Pattern[str]] = {
    "id": re.compile(r"""Unknown name ["']id["']"""),
    "responseJsonSchema": re.compile(
        rf"{any_mention('responseJsonSchema').pattern}|{any_mention('response_json_schema').pattern}"
    ),
    "thoughtSignature": re.compile(r"""Unknown name ["'](?:thoughtSignature|thought_signature)["']"""),
    "toolConfig": re.compile(r"""Unknown name ["'](?:toolConfig|tool_config)["']"""),
}
"""The fields that a request can do without, each with the pattern of its name in error messages."""

_Part = dict[str, JsonValue]
_PLACEHOLDER_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()
"""Google's own value for tool calls of another model, which have no thought signature."""


def gemini_body(request: ModelRequest) -> dict[str, JsonValue]:
    """Return the request body.

    Raises:
        ModelRequestRejected: an image is linked by a URL that doesn't show its media type.
    """
    omitted = frozenset(request.settings.omit or ())
    contents = [*_contents(request.messages, request.model)]
    body: dict[str, JsonValue] = {"contents": [_without_fields(content, omitted) for content in contents]}
    if config := generation_config(request):
        body["generationConfig"] = config
    if request.system.strip():
        body["systemInstruction"] = {"parts": [{"text": request.system}]}
    tools = [_declaration(tool) for tool in request.tools]
    if request.output_schema is not None and uses_output_tool(request):
        tools.append(_declaration(output_tool(request.output_schema)))
        body["toolConfig"] = {"functionCallingConfig": {"mode": "ANY"}}
    if tools:
        body["tools"] = [{"functionDeclarations": tools}]
    return {key: value for key, value in body.items() if key not in omitted}


def _declaration(tool: ToolSpec) -> JsonValue:
    declaration: _Part = {"name": gemini_tool_name(tool.name), "description": tool.description}
    parameters = object_parameters(tool.parameters)
    if parameters.get("properties"):  # Google rejects the schema of an object without properties
        declaration["parametersJsonSchema"] = gemini_schema(parameters)
    return declaration


def _without_fields(value: JsonValue, omitted: frozenset[str]) -> JsonValue:
    """Return a content without some fields, such as the ids of calls, wherever they are."""
    if not omitted:
        return value
    if isinstance(value, list):
        return [_without_fields(item, omitted) for item in value]
    if isinstance(value, dict):
        return {
            key: inner if key in ("args", "response") else _without_fields(inner, omitted)
            for key, inner in value.items()
            if key not in omitted
        }
    return value


def _contents(messages: Sequence[Message], model: str) -> Iterator[JsonValue]:
    """Return the messages; consecutive tool results become one content, as Google expects.

    Responses of nothing but thoughts are left out.
    """
    results: list[JsonValue] = []
    images: list[JsonValue] = []
    for message in messages:
        if message.role == "tool":
            returned = [part for part in message.parts if isinstance(part, ToolResult)]
            results += map(_result, returned)
            images += [part for result in returned for part in _result_images(result)]
            continue
        if results:
            yield {"role": "user", "parts": [*results, *images]}
            results, images = [], []
        is_response = message.role == "assistant"
        parts = [*_response_parts(message, model)] if is_response else [*_user_parts(message)]
        if parts and not (is_response and all("thought" in part for part in parts)):
            yield {"role": "model" if is_response else "user", "parts": [*parts]}
    if results:
        yield {"role": "user", "parts": [*results, *images]}


def _result_images(result: ToolResult) -> Iterator[_Part]:
    """Yield the images of a result, after a text that says whose they are: not all models take them in the result."""
    if result.images:
        yield {"text": f"Images that {result.name} returned, in the order of its files:"}
        yield from map(_image, result.images)


def _user_parts(message: Message) -> Iterator[_Part]:
    for part in user_content(message):
        match part:
            case TextPart():
                yield {"text": part.text}
            case ImagePart():
                yield _image(part)
            case FilePart():
                data = base64.b64encode(part.data).decode()
                yield {"inlineData": {"mimeType": part.media_type, "data": data}}


def _response_parts(message: Message, model: str) -> Iterator[_Part]:
    """Return the parts of a response, each signature on the part that it was received with."""
    is_own = message.model in (None, model)  # a model accepts only its own signatures
    signature: str | None = None
    signature_missing = requires_signatures(model)
    for part in message.parts:
        match part:
            case ThinkingPart(signature=str() as own) if is_own and part.provider == model.partition(":")[0]:
                if isinstance(part.data, Mapping) and part.data.get("signs") in ("tool_call", "text"):
                    signature = own
                else:
                    kind: _Part = {} if isinstance(part.data, Mapping) else {"thought": True}
                    yield {"text": part.text, **kind, "thoughtSignature": own}
            case ToolCall():
                if signature_missing and signature is None and not is_own:
                    signature = _PLACEHOLDER_SIGNATURE
                yield _signed(_call(part), signature)
                signature, signature_missing = None, False  # only the first of parallel calls has a signature
            case TextPart() if part.text.strip() or signature:
                yield _signed({"text": part.text}, signature)
                signature = None


def _signed(part: _Part, signature: str | None) -> _Part:
    return part if signature is None else {**part, "thoughtSignature": signature}


def _call(call: ToolCall) -> _Part:
    arguments: JsonValue = {**call.arguments}
    return {"functionCall": {**_id(call.id), "name": gemini_tool_name(call.name), "args": arguments}}


def _result(result: ToolResult) -> JsonValue:
    response: JsonValue = {"error" if result.is_error else "output": result.content}
    return {"functionResponse": {**_id(result.call_id), "name": gemini_tool_name(result.name), "response": response}}


def _id(call_id: str) -> _Part:
    return {"id": call_id} if call_id else {}


def _image(image: ImagePart) -> _Part:
    if (inline := inline_image(image)) is not None:
        media_type, data = inline
        return {"inlineData": {"mimeType": media_type, "data": data}}
    url = image.url or ""
    media_type = image.media_type or mimetypes.guess_type(urlsplit(url).path)[0] or ""
    if not media_type.startswith("image/"):
        raise ModelRequestRejected(
            f"Google requires the media type of the image at {url!r}: give it a media_type such as image/png"
        )
    return {"fileData": {"mimeType": media_type, "fileUri": url}}
