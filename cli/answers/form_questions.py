"""Ask a person for the fields of a form, one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from pydantic import JsonValue

from agentkit.input_requests import InputAnswer, InputRequest
from cli.answers.form_fields import form_fields, required_fields, typed_field
from cli.answers.typed_answers import DECLINE, Edit, Skip, Typed
from cli.views.console import printable

__all__ = ["fields_of", "typed_form"]

_EDIT = "/edit"
_SKIP = "/skip"
_HINT = f"Enter leaves out a field that need not be there ({_EDIT}: all in an editor; {DECLINE}: no answer; {_SKIP})."


def fields_of(request: InputRequest) -> Mapping[str, Mapping[str, JsonValue]]:
    """Return the fields of a request's form; none where it has no form."""
    return form_fields(request.answer_schema or {}) if request.kind == "elicitation" else {}


async def typed_form(
    request: InputRequest, read: Callable[[str], Awaitable[str | None]], say: Callable[[str], None]
) -> Typed:
    """Return what a person types: ``read`` shows a prompt and returns the line, or None at the end of input."""
    say(_HINT)
    content: dict[str, JsonValue] = {}
    required = required_fields(request.answer_schema or {})
    for name, field in fields_of(request).items():
        while True:
            line = await read(f"{printable(name)}: ")
            match _SKIP if line is None else line.strip():
                case "/decline":
                    return InputAnswer(input_request_id=request.id, decision="decline")
                case "/skip":
                    return Skip()
                case "/edit":
                    return Edit()
                case "" if "default" in field:
                    content[name] = field["default"]
                    break
                case "" if name in required:
                    say("This field is required.")
                case "":
                    break
                case text:
                    try:
                        content[name] = typed_field(field, text)
                    except ValueError as error:
                        say(f"{error}.")
                        continue
                    break
    return InputAnswer(input_request_id=request.id, decision="answer", answer=content)
