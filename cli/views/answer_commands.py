"""The commands that answer an input request, for a person to copy: Opspawn's, then Temporal's own."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from activities.shell_commands import shell_path
from agentkit.client import SystemInfo
from agentkit.input_requests import InputRequest, answer_example
from cli.command_options import Server
from cli.views.console import printable

__all__ = ["AnswerCommands"]

_DEFAULT_TEMPORAL = ("127.0.0.1:7233", "localhost:7233")
"""Where ``temporal`` looks without an option."""


@dataclass(frozen=True, slots=True)
class AnswerCommands:
    """Composes commands for one API, and for the Temporal server that it uses."""

    server: Server
    system: SystemInfo | None = None
    """What the API serves; None when it is not known: Temporal's default address is assumed then."""
    name: str | None = None
    """Who answers; None: the operating system's name of the user."""

    def answering(self, request: InputRequest, task_id: str) -> Iterator[str]:
        """Yield a command of ``opspawn`` for each decision, first the one that lets the task go on."""
        for verb, *arguments in _answers(request):
            yield printable(self.server.command_line(verb, task_id, request.id, *arguments, *self._identity(request)))

    def signal(self, request: InputRequest, task_id: str) -> str:
        """Return the command of Temporal's own that answers, without an API."""
        return self._temporal("signal", task_id, "--name", "answer_input", "--input", answer_example(request))

    def reading(self, task_id: str) -> Iterator[str]:
        """Yield the commands that show the arguments of calls, however long."""
        yield printable(self.server.command_line("show", task_id))
        yield self._temporal("query", task_id, "--type", "input_requests")

    def _identity(self, request: InputRequest) -> list[str]:
        """Return the options that name someone who may answer: a group, unless this person is named."""
        options = ["--as", self.name] if self.name else []
        if request.approvers and self.name not in request.approvers:
            options += ["--group", request.approvers[0]]
        return options

    def _temporal(self, verb: str, task_id: str, *arguments: str) -> str:
        options = []
        if self.system is not None and self.system.temporal not in _DEFAULT_TEMPORAL:
            options += ["--address", self.system.temporal]
        if self.system is not None and self.system.temporal_namespace != "default":
            options += ["--namespace", self.system.temporal_namespace]
        return printable(
            shlex.join([_temporal_program(), "workflow", verb, *options, "--workflow-id", task_id, *arguments])
        )


def _answers(request: InputRequest) -> list[list[str]]:
    """Return the words of a command for each decision, without the task and the request."""
    match request.kind:
        case "approval":
            return [["approve"], ["deny"]]
        case "unknown_outcome":
            happened = ["answer", "WHAT IT RETURNED", "--decision", "happened"]
            return [happened, ["answer", "--decision", "retry"], ["answer", "--decision", "give_up"]]
        case "limit":
            limits = json.loads(answer_example(request)).get("limits", {})
            raised = [word for name, value in limits.items() for word in ("--limit", f"{name}={value}")]
            return [["answer", *raised], ["answer", "--decision", "stop"]]
        case _ if request.url is not None:
            return [["answer", "--decision", "answer"], ["answer", "--decision", "decline"]]
        case _:
            answer = json.loads(answer_example(request))["answer"]
            text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
            options = [] if request.answer_schema is None else ["--json-answer"]
            return [["answer", text, *options], ["answer", "--decision", "decline"]]


def _temporal_program() -> str:
    """Return how Temporal's command line can be started: by its name if the PATH has it, else by its path."""
    installed = Path(sys.executable).with_name("temporal")
    return "temporal" if shutil.which("temporal") or not installed.is_file() else shell_path(installed)
