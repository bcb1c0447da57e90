"""What a person can type on the terminal to answer an input request, and what it means."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from agentkit.input_requests import InputAnswer, InputRequest
from agentkit.specs import RaisedLimits
from cli.answers.typed_json import parse_typed_json
from cli.command_options import parse_limits
from cli.errors import UsageWrong

__all__ = ["DECLINE", "Edit", "Skip", "Typed", "Unclear", "prompt", "typed_answer"]

DECLINE = "/decline"
"""What is typed to give no answer."""


@dataclass(frozen=True, slots=True)
class Edit:
    """The person wants to edit the arguments, or the answer, in an editor."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The person doesn't answer now."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """The line means nothing here; the message says what does."""

    message: str


Typed = InputAnswer | Edit | Skip | Unclear


def prompt(request: InputRequest) -> str:
    """Return what can be typed, in one line."""
    match request.kind:
        case "approval" if request.sha256 is None:  # not of a call, so there are no arguments to edit
            return "Approve? [y]es, [n]o, [s]kip: "
        case "approval":
            return "Approve? [y]es, [n]o (n WHY tells the model), [e]dit the arguments, [s]kip: "
        case "unknown_outcome":
            return "Did it take effect? [h]appened (h RESULT), [r]etry, [g]ive up, [s]kip: "
        case "limit":
            return "A new limit, such as max_steps=60, stop, or [s]kip: "
        case _ if request.url is not None:
            return "Have you done what it asks on that page? [y]es, [n]o, Enter: skip: "
        case _ if request.choices:
            return f"Its number or text ({DECLINE}: no answer; Enter: skip): "
        case _ if request.answer_schema is not None:
            return f"Your answer as JSON ([e]dit in an editor; {DECLINE}: no answer; Enter: skip): "
        case _:
            return f"Your answer ({DECLINE}: no answer; Enter: skip): "


def typed_answer(request: InputRequest, line: str) -> Typed:
    """Return what the line means for this request."""
    text = line.strip()
    try:
        match request.kind:
            case "approval":
                return _approval(request, text)
            case "unknown_outcome":
                return _outcome(request, text)
            case "limit":
                return _new_limits(request, text)
            case _:
                return _answer(request, text)
    except ValidationError as error:  # such as a comment of more than its greatest length
        return Unclear(error.errors()[0]["msg"])


def _approval(request: InputRequest, text: str) -> Typed:
    word, _, reason = text.partition(" ")
    match word.lower():
        case "y" | "yes" if not reason:
            return InputAnswer(input_request_id=request.id, decision="approve")
        case "n" | "no":
            return InputAnswer(input_request_id=request.id, decision="deny", comment=reason.strip() or None)
        case "e" | "edit" if not reason and request.sha256 is not None:
            return Edit()
        case "s" | "skip" if not reason:
            return Skip()
        case _:
            return Unclear("Type y, n or s." if request.sha256 is None else "Type y, n, e or s.")


def _outcome(request: InputRequest, text: str) -> Typed:
    word, _, result = text.partition(" ")
    match word.lower():
        case "h" | "happened":
            return InputAnswer(input_request_id=request.id, decision="happened", result=result.strip() or None)
        case "r" | "retry" if not result:
            return InputAnswer(input_request_id=request.id, decision="retry")
        case "g" | "give_up" if not result:
            return InputAnswer(input_request_id=request.id, decision="give_up")
        case "s" | "skip" if not result:
            return Skip()
        case _:
            return Unclear("Type h, r, g or s.")


def _new_limits(request: InputRequest, text: str) -> Typed:
    if text.lower() in ("", "s", "skip"):
        return Skip()
    if text.lower() == "stop":
        return InputAnswer(input_request_id=request.id, decision="stop")
    try:
        limits = parse_limits(text.split(), RaisedLimits)
    except UsageWrong as wrong:
        return Unclear(str(wrong).removeprefix("--limit "))
    raised = RaisedLimits.model_validate(limits)
    return InputAnswer(input_request_id=request.id, decision="raise", limits=raised)


def _answer(request: InputRequest, text: str) -> Typed:
    if not text:
        return Skip()
    if request.url is not None:
        return _visit(request, text)
    if text == DECLINE:
        return InputAnswer(input_request_id=request.id, decision="decline")
    if request.choices:
        choice = _choice(request.choices, text)
        if choice is None:
            return Unclear(f"Type a number from 1 to {len(request.choices)}, or one of the texts.")
        return InputAnswer(input_request_id=request.id, decision="answer", answer=choice)
    if request.answer_schema is None:
        return InputAnswer(input_request_id=request.id, decision="answer", answer=text)
    if text in ("e", "edit"):
        return Edit()
    try:
        return InputAnswer(input_request_id=request.id, decision="answer", answer=parse_typed_json(text))
    except ValueError as error:
        return Unclear(f"{error}.")


def _visit(request: InputRequest, text: str) -> Typed:
    match text.lower():
        case "y" | "yes":
            return InputAnswer(input_request_id=request.id, decision="answer")
        case "n" | "no":
            return InputAnswer(input_request_id=request.id, decision="decline")
        case "s" | "skip":
            return Skip()
        case _:
            return Unclear("Type y, n or s.")


def _choice(choices: tuple[str, ...], text: str) -> str | None:
    """Return the choice with this text, or this number from 1; a text goes first."""
    if text in choices:
        return text
    by_case = [choice for choice in choices if choice.casefold() == text.casefold()]
    if len(by_case) == 1:
        return by_case[0]
    if text.isdecimal() and 1 <= int(text) <= len(choices):
        return choices[int(text) - 1]
    return None
