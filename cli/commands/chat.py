"""``opspawn chat``: hold a conversation with an agent."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from agentkit.client import Conversation
from cli.answers.terminal_input import TerminalInput
from cli.chat.chat_loop import Chat
from cli.chat.chat_session import ChatSession, ChatStart
from cli.command_options import Answerer, AsPerson, Groups, Server, ServerConnection, Url
from cli.demo_explanation import explain_demo_model
from cli.errors import UsageWrong
from cli.views.console import one_line, out, write_message
from cli.views.table import write_table
from cli.views.times import age

__all__ = ["chat"]

_RESUMABLE = ("idle", "running")
_LISTED = 20
_MAX_TITLE_CHARS = 80


def chat(
    agent: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="The agent's name.", show_default=False)
    ] = None,
    conversation: Annotated[
        str | None, typer.Option(metavar="ID", help="Go on with this conversation; with AGENT, by that agent.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest conversation of the agent.")] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="List conversations that can go on, newest first, and nothing else.")
    ] = False,
    model: Annotated[str | None, typer.Option(metavar="PROVIDER:NAME", help="Instead of the agent's own.")] = None,
    user: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose memories the agent reads and writes. Default: default.")
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="For lists. Default: the first words.")] = None,
    as_: AsPerson = None,
    group: Groups = None,
    url: Url = None,
) -> None:
    """Hold a conversation with an agent.

    On a terminal, /help lists what can be typed besides messages; Ctrl-C leaves a turn running. Without one, each line
    of stdin is a message, and the outputs are printed.
    """
    server = Server(url)
    if list_:
        _list(server, agent)
        return
    terminal = TerminalInput.of_stdin() if out.is_terminal else None
    with server.connected() as connection:
        resumed = _resumed(connection, agent, conversation, resume=resume)
        if agent is None and resumed is None:
            raise UsageWrong("Missing AGENT: `opspawn agents` lists them; or use --conversation ID or --resume.")
        start = ChatStart(agent or "", model, user, title)
        session = ChatSession(connection, start, resumed)
        if resumed is None:
            session.check_agent(start.agent)
        else:
            _change(session, agent, model, title)
        if terminal is not None:
            _introduce(connection, session)
        Chat(server, connection, session, Answerer.of_options(as_, group), terminal).run()


def _resumed(
    connection: ServerConnection, agent: str | None, conversation_id: str | None, *, resume: bool
) -> Conversation | None:
    """Return the conversation to resume; None for a new one."""
    if conversation_id is not None:
        if resume:
            raise UsageWrong("--resume and --conversation exclude each other: use one of them.")
        found = connection.call(lambda client: client.conversations.get(conversation_id))
        if found.ended:
            raise UsageWrong(f"Conversation {found.id} is {found.status}: it takes no more messages.")
        return found
    if not resume:
        return None
    page = connection.call(lambda client: client.conversations.list(agent=agent, status=_RESUMABLE, limit=1))
    if not page.conversations:
        raise UsageWrong("There is no conversation to resume" + (f" with agent {agent!r}." if agent else "."))
    newest = page.conversations[0].id
    return connection.call(lambda client: client.conversations.get(newest))


def _list(server: Server, agent: str | None) -> None:
    """Print the newest conversations, of any agent unless one is named."""
    page = server.call(lambda client: client.conversations.list(agent=agent, status=_RESUMABLE, limit=_LISTED))
    if not page.conversations:
        write_message(out, "No conversations.")
        return
    rows = [
        [
            *(Text(each.id), Text(each.agent), Text(each.status), Text(str(each.turns)), Text(age(each.updated_at))),
            Text(one_line(each.title or "", _MAX_TITLE_CHARS)),
        ]
        for each in page.conversations
    ]
    write_table(
        ("ID", "AGENT", "STATUS", "TURNS", "AGE", "TITLE"), rows, numbers=frozenset({"TURNS", "AGE"}), wraps=False
    )
    if page.next_cursor is not None:
        write_message(out, f"The newest {len(rows)} of {page.total or 'more'}.", style="dim")


def _change(session: ChatSession, agent: str | None, model: str | None, title: str | None) -> None:
    """Change a resumed conversation as the options say."""
    if agent is not None and agent != session.agent:
        session.set_agent(agent)
    if model is not None and model != session.model:
        session.set_model(model)
    if title is not None:
        session.set_title(title)


def _introduce(connection: ServerConnection, session: ChatSession) -> None:
    facts = [session.agent, *([session.model] if session.model else [])]
    if session.conversation is not None:
        facts.insert(0, session.conversation.id)
    elif session.model is None:
        connection.call(lambda client: explain_demo_model(session.agent, client))
    write_message(out, " · ".join(facts), style="bold")
    write_message(out, "Write a message. /help lists commands; Ctrl-D leaves.", style="dim")
