"""``opspawn tools``: list the tools that agents can be given, or show one with its arguments."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from agentkit.client import ToolInfo
from agentkit.validation.validation_messages import did_you_mean
from cli.command_options import AsJson, Server, Url
from cli.errors import UsageWrong
from cli.views.console import one_line, out, printable, write_json, write_line, write_message
from cli.views.schema_lines import argument_lines
from cli.views.table import write_table

__all__ = ["tools"]

_MAX_DESCRIPTION_WIDTH = 160
_LABEL_WIDTH = len("arguments  ")
_EFFECTS = {
    "pure": "it changes nothing, so a call may be repeated",
    "idempotent": "a call may be repeated: it takes effect once",
    "irreversible": "a call is never repeated, and needs approval unless the agent allows it",
}


def tools(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show this tool with its arguments.")] = None,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List the tools that agents can be given, or show one with its arguments."""
    listed = Server(url).call(lambda client: client.tools())
    if name is None:
        if as_json:
            write_json(listed.raw)
        else:
            _print_list(listed.tools)
        return
    names = [tool.name for tool in listed.tools]
    if name not in names:
        raise UsageWrong(f"There is no tool {name!r}.{did_you_mean(name, names)} Tools: {', '.join(sorted(names))}")
    index = names.index(name)
    if as_json:
        objects = listed.raw["tools"]
        write_json(objects[index] if isinstance(objects, list) else objects)
    else:
        _print_tool(listed.tools[index])


def _print_list(listed: tuple[ToolInfo, ...]) -> None:
    rows = [
        [Text(tool.name), Text(tool.effect), Text(one_line(tool.description, _MAX_DESCRIPTION_WIDTH))]
        for tool in listed
    ]
    write_table(("TOOL", "EFFECT", "DESCRIPTION"), rows, wraps=True)


def _print_tool(tool: ToolInfo) -> None:
    out.print(Text(tool.name, style="bold"), soft_wrap=True)
    write_message(out, printable(tool.description.strip()))
    effect = f"{tool.effect}: {_EFFECTS[tool.effect]}" if tool.effect in _EFFECTS else tool.effect
    write_line(out, Text.assemble(("effect     ", "bold"), effect), _LABEL_WIDTH)
    if tool.timeout is not None:
        write_line(out, Text.assemble(("timeout    ", "bold"), f"{tool.timeout:g} s for a call"), _LABEL_WIDTH)
    if tool.task_queue is not None:
        served = f"by workers of task queue {tool.task_queue!r} that have the activity tool.{tool.name}"
        write_line(out, Text.assemble(("served     ", "bold"), served), _LABEL_WIDTH)
    lines = list(argument_lines(tool.parameters))
    write_line(out, Text.assemble(("arguments", "bold"), "" if lines else "  none"))
    for line in lines:
        write_line(out, line, len(line.plain) - len(line.plain.lstrip()) + 2)
