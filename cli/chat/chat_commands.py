"""The commands of ``opspawn chat``: lines that start with a slash."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rich.text import Text

from agentkit.client import ConversationTurn
from cli.answers.text_editor import edit_text
from cli.chat.chat_session import ChatSession
from cli.errors import UsageWrong
from cli.views.console import one_line, out, write_message
from cli.views.step_lines import output_text
from cli.views.table import write_table
from cli.views.task_display import cost_text
from cli.views.times import age

__all__ = ["CHAT_COMMANDS", "ChatCommands"]

_MAX_CELL_CHARS = 60


class _Command(NamedTuple):
    usage: str
    summary: str


CHAT_COMMANDS = {
    "help": _Command("/help", "Show these commands."),
    "model": _Command(
        "/model [PROVIDER:NAME]", "Show the model, or let another one respond; default: the agent's own."
    ),
    "agent": _Command("/agent [NAME]", "Show the agents, or let another one respond."),
    "turns": _Command("/turns", "List the turns of this conversation."),
    "fork": _Command("/fork [TURN]", "Go on in a new conversation, from after that turn; default: the newest."),
    "new": _Command("/new", "Go on in a new conversation, which knows nothing of this one."),
    "title": _Command("/title TEXT", "Name the conversation, for lists."),
    "usage": _Command("/usage", "Show the turns, tokens and cost of this conversation."),
    "edit": _Command("/edit", "Write the next message in $EDITOR."),
    "retry": _Command("/retry", "Send the message again that could not be sent."),
    "quit": _Command("/quit", "Leave; Ctrl-D does the same."),
}


class ChatCommands:
    """Runs the commands of a chat."""

    def __init__(self, session: ChatSession) -> None:
        self._session = session
        self._commands: dict[str, Callable[[str], str | None]] = {
            "help": self._help,
            "model": self._model,
            "agent": self._agent,
            "turns": self._turns,
            "fork": self._fork,
            "new": self._new,
            "title": self._title,
            "usage": self._usage,
            "edit": self._edit,
            "retry": self._retry,
        }

    def run(self, line: str) -> str | None:
        """Run a line such as ``/model demo:demo``; return a message to send, or None.

        Raises:
            CommandFailed: the command is unknown, or failed.
        """
        name, _, argument = line.removeprefix("/").partition(" ")
        if name not in self._commands:
            raise UsageWrong(f"There is no command /{name}: /help lists them. To send it as a message, type //{name}.")
        return self._commands[name](argument.strip())

    def _help(self, _: str) -> None:
        width = max(len(command.usage) for command in CHAT_COMMANDS.values())
        for command in CHAT_COMMANDS.values():
            write_message(out, f"{command.usage:<{width}}  {command.summary}", indent=width + 2)
        write_message(out, "Anything else is a message. A line that ends with \\ goes on in the next one.", style="dim")

    def _model(self, name: str) -> None:
        session = self._session
        if name:
            session.set_model(None if name == "default" else name)
        else:
            session.refresh()
        of_agent = next((agent.models[:1] for agent in session.agents() if agent.name == session.agent), ())
        model = session.model or f"{' '.join(of_agent) or 'its own model'} (the agent's own)"
        write_message(out, f"{session.agent} uses {model}.", style="dim")

    def _agent(self, name: str) -> None:
        if name:
            self._session.set_agent(name)
        else:
            names = ", ".join(agent.name for agent in self._session.agents())
            write_message(out, f"There are: {names}.", style="dim")
        write_message(out, f"{self._session.agent} responds.", style="dim")

    def _turns(self, _: str) -> None:
        self._session.settled()
        turns = self._session.turns()
        if not turns:
            write_message(out, "There are no turns yet.", style="dim")
            return
        rows = [_turn_cells(turn) for turn in turns]
        write_table(
            ("TURN", "STATUS", "AGE", "MESSAGE", "OUTPUT"), rows, numbers=frozenset({"TURN", "AGE"}), wraps=False
        )

    def _fork(self, turn: str) -> None:
        if turn and not turn.isdecimal():
            raise UsageWrong(f"/fork {turn}: expected the number of a turn; /turns lists them.")
        self._session.settled()
        ended = [each.number for each in self._session.turns() if each.ended_at is not None]
        number = int(turn) if turn else max(ended, default=0)
        fork = self._session.fork(number)
        write_message(out, f"This is {fork.id} now, which goes on after turn {number}.", style="dim")

    def _new(self, _: str) -> None:
        self._session.new()
        write_message(out, "The next message starts a new conversation.", style="dim")

    def _title(self, title: str) -> None:
        if not title:
            raise UsageWrong("/title: write the title after it.")
        self._session.set_title(title)
        write_message(out, f"The conversation is named {title!r}.", style="dim")

    def _usage(self, _: str) -> None:
        conversation = self._session.settled()
        if conversation is None:
            write_message(out, "Nothing is used yet: no message was sent.", style="dim")
            return
        usage = conversation.usage
        facts = [f"{conversation.turns} turn{'' if conversation.turns == 1 else 's'}", f"{usage.tokens:,} tokens"]
        facts += [f"{usage.input_tokens:,} in, {usage.output_tokens:,} out", *cost_text(usage)]
        write_message(out, f"{conversation.id}: {' · '.join(facts)}", style="dim")

    def _edit(self, _: str) -> str | None:
        text = edit_text("").strip()
        if not text:
            write_message(out, "The file is empty, so nothing is sent.", style="dim")
            return None
        write_message(out, one_line(text, 160), style="dim")
        return text

    def _retry(self, _: str) -> str:
        if self._session.unsent is None:
            raise UsageWrong("There is nothing to send again.")
        return self._session.unsent


def _turn_cells(turn: ConversationTurn) -> list[Text]:
    message = turn.input if isinstance(turn.input, str) else "(content parts)"
    output = "" if turn.output is None else output_text(turn.output)
    status = turn.status.replace("_", " ")
    cells = [str(turn.number), status, age(turn.started_at), one_line(message, _MAX_CELL_CHARS), one_line(output, 200)]
    return [Text(cell) for cell in cells]
