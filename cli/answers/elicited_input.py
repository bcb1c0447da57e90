"""Ask on the terminal what an MCP server asks in a call: the fields of a form one by one, or a visit to a URL."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue
from rich.text import Text

from agentkit.interfaces import ClientInput, ClientInputRequest
from cli.answers.form_fields import form_fields, required_fields, typed_field
from cli.answers.terminal_input import TerminalInput
from cli.views.console import err, printable, write_message
from cli.views.schema_lines import argument_lines

__all__ = ["elicited_input", "read_typed_line"]

_DECLINED = ClientInput(result={"action": "decline"})
_CANCELLED = ClientInput(result={"action": "cancel"})


async def elicited_input(request: ClientInputRequest, terminal: TerminalInput | None) -> ClientInput:
    """Return a person's input; without a terminal, that it is declined, and a message on stderr says so."""
    params = request.params
    write_message(err, f"The server asks: {printable(str(params.get('message', '')))}", style="yellow")
    if terminal is None:
        write_message(err, "Nobody can be asked here: stdin is no terminal. It is declined.")
        return _DECLINED
    if params.get("mode") == "url" or "url" in params:
        write_message(err, f"Open this address in a browser:\n  {printable(str(params.get('url', '')))}")
        line = await read_typed_line(terminal, "Have you done what it asks? [y]es, [n]o: ")
        return _DECLINED if line is None or not _is_yes(line) else ClientInput(result={"action": "accept"})
    return await _form(_object(params.get("requestedSchema")), terminal)


async def read_typed_line(terminal: TerminalInput, prompt: str) -> str | None:
    """Return the line that is typed after a prompt; None at the end of input."""
    terminal.discard()
    err.print(Text(prompt, style="bold"), end="", soft_wrap=True)
    line = await terminal.read_line()
    if line is None:
        err.print()
    return line


async def _form(schema: Mapping[str, JsonValue], terminal: TerminalInput) -> ClientInput:
    names = required_fields(schema)
    write_message(err, "Enter leaves out an optional field; /decline gives no answer.")
    content: dict[str, JsonValue] = {}
    for name, field in form_fields(schema).items():
        for text in argument_lines({"properties": {name: field}, "required": [*names]}):
            err.print(text, soft_wrap=True)
        while True:
            line = await read_typed_line(terminal, f"  {printable(name)}: ")
            if line is None:
                return _CANCELLED
            if line.strip() == "/decline":
                return _DECLINED
            if not line.strip():
                if name not in names or "default" in field:
                    break
                write_message(err, "This field is required.")
                continue
            try:
                content[name] = typed_field(field, line.strip())
            except ValueError as error:
                write_message(err, f"{error}.")
                continue
            break
    return ClientInput(result={"action": "accept", "content": content})


def _is_yes(line: str) -> bool:
    return line.strip().lower() in ("y", "yes")


def _object(value: object) -> Mapping[str, JsonValue]:
    return value if isinstance(value, dict) else {}
