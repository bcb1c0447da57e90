"""``opspawn agents``: list the agents that can be given tasks."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from activities.shell_commands import opspawn_command, with_local_commands
from cli.command_options import AsJson, Server, Url
from cli.views.console import err, one_line, out, printable, write_json, write_table

__all__ = ["agents"]


def agents(as_json: AsJson = False, url: Url = None) -> None:
    """List the agents that can be given tasks."""
    result = Server(url).call(lambda client: client.agents())
    if as_json:
        write_json(result.raw)
        return
    for problem in result.problems:
        err.print(printable(with_local_commands(problem)), style="yellow", soft_wrap=True)
    if not result.agents:
        out.print(f"No agents. Write one in agents/NAME.yaml, or start with: {opspawn_command('init', 'my-app')}")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("AGENT", "MODEL", "TOOLS", "DESCRIPTION"):
        table.add_column(heading, no_wrap=heading == "AGENT")
    for agent in result.agents:
        description = Text(one_line(agent.description, 120))
        if agent.problem is not None:
            description = Text(printable(f"can't be used: {agent.problem}"), style="yellow")
        table.add_row(agent.name, ", ".join(agent.models), ", ".join(agent.tools), description)
    write_table(table)
