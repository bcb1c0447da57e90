"""A task's input from the options of a command: text, and prompts and resources of MCP servers."""

from __future__ import annotations

from agentkit.client import PromptReference, ResourceReference, TaskInputContent
from agentkit.messages import TextPart
from cli.command_options import text_argument
from cli.errors import UsageWrong

__all__ = ["task_input"]

_EXPECTED = "write what the agent should do"


def task_input(text: str | None, prompt: str | None, arguments: list[str], resources: list[str]) -> TaskInputContent:
    """Return the input: a prompt, or text (``-`` reads it from stdin) with resources, each of which may be left out.

    Raises:
        UsageWrong: names the option, and what was expected.
    """
    if prompt is not None:
        if text is not None or resources:
            raise UsageWrong("--prompt takes the place of INPUT and --resource. Use one or the other.")
        return _prompt(prompt, arguments)
    if arguments:
        raise UsageWrong("--argument is for the prompt of --prompt SERVER/NAME, which is missing.")
    if text is None and not resources:
        raise UsageWrong(f"Missing INPUT: {_EXPECTED}; or use --prompt SERVER/NAME or --resource SERVER:URI.")
    parts = [] if text is None else [TextPart(text=text_argument(text, "INPUT", _EXPECTED))]
    return [*parts, *map(_resource, resources)] if resources else parts[0].text


def _prompt(prompt: str, arguments: list[str]) -> PromptReference:
    server, slash, name = prompt.partition("/")
    if not (server and slash and name):
        raise UsageWrong(f"--prompt {prompt}: expected SERVER/NAME; `opspawn mcp list` lists the servers")
    values: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not (key and equals):
            raise UsageWrong(f"--argument {argument}: expected NAME=VALUE")
        values[key] = value
    return PromptReference(prompt=prompt, arguments=values)


def _resource(resource: str) -> ResourceReference:
    server, colon, uri = resource.partition(":")
    if not (server and colon and uri):
        raise UsageWrong(f"--resource {resource}: expected SERVER:URI, such as notes:file:///plan.md")
    return ResourceReference(server=server, uri=uri)
