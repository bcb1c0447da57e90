"""``opspawn agents``: list the agents that can be given tasks."""

from __future__ import annotations

from rich.text import Text

from activities.shell_commands import opspawn_command, with_local_commands
from cli.command_options import AsJson, Server, Url
from cli.views.console import err, one_line, out, printable, write_json, write_message
from cli.views.table import write_table

__all__ = ["agents"]

_MAX_DESCRIPTION_WIDTH = 120


def agents(as_json: AsJson = False, url: Url = None) -> None:
    """List the agents that can be given tasks."""
    result = Server(url).call(lambda client: client.agents())
    if as_json:
        write_json(result.raw)
        return
    for problem in result.problems:
        write_message(err, printable(with_local_commands(problem)), style="yellow")
    if not result.agents:
        start = opspawn_command("init", "my-app")
        write_message(out, f"No agents. Write one in agents/NAME.yaml, or start with `{start}`.")
        return
    rows = []
    for agent in result.agents:
        description = Text(one_line(agent.description, _MAX_DESCRIPTION_WIDTH))
        if agent.problem is not None:
            problem = f"can't be used: {with_local_commands(agent.problem)}"
            description = Text(printable(problem), style="yellow")
        rows.append([Text(agent.name), Text(", ".join(agent.models)), Text(", ".join(agent.tools)), description])
    write_table(("AGENT", "MODEL", "TOOLS", "DESCRIPTION"), rows, wraps=True)
