"""The API calls of a chat: its conversation starts with the first message, and each message is sent once."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, replace

from agentkit.client import Agent, Conversation, ConversationTurn, OnBusy, OpspawnClient, Task
from cli.command_options import ServerConnection
from cli.errors import UsageWrong
from cli.views.console import one_line

__all__ = ["ChatSession", "ChatStart"]

_PAGE = 50
"""Number of turns in one page."""
_MAX_TITLE_CHARS = 80
_SETTLE_POLLS = 20
_SETTLE_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class ChatStart:
    """The settings of a new conversation."""

    agent: str
    model: str | None = None
    user: str | None = None
    title: str | None = None


@dataclass(slots=True)
class _Unsent:
    """A message that the API hasn't confirmed."""

    text: str
    key: str


class ChatSession:
    """The API calls about one conversation. Every method that calls may raise ``CommandFailed``."""

    def __init__(
        self, connection: ServerConnection, start: ChatStart, conversation: Conversation | None = None
    ) -> None:
        """Continue ``conversation``; None: a new one starts with the first message."""
        self._connection = connection
        self.start = start
        self.conversation = conversation
        self._start_key = uuid.uuid4()
        self._unsent: _Unsent | None = None

    @property
    def agent(self) -> str:
        """The agent of the next turn."""
        return self.start.agent if self.conversation is None else self.conversation.agent

    @property
    def model(self) -> str | None:
        """The model of the next turn; None: the agent's own."""
        return self.start.model if self.conversation is None else self.conversation.model

    @property
    def unsent(self) -> str | None:
        """The message that could not be sent; sending the same text again doesn't send it twice."""
        return None if self._unsent is None else self._unsent.text

    def agents(self) -> tuple[Agent, ...]:
        """Return all agents."""
        return self._connection.call(lambda client: client.agents()).agents

    def send(self, text: str, on_busy: OnBusy) -> Task:
        """Send a message, and return the turn that responds to it."""
        if self._unsent is None or self._unsent.text != text:
            self._unsent = _Unsent(text, str(uuid.uuid4()))
        conversation_id, key = self._started(text).id, self._unsent.key
        try:
            turn = self._connection.call(
                lambda client: client.conversations.send(conversation_id, text, on_busy=on_busy, idempotency_key=key)
            )
        except UsageWrong:  # refused: sending it again would be refused, too
            self._unsent = None
            raise
        self._unsent = None
        return turn

    def _started(self, text: str) -> Conversation:
        """Return the conversation; start one if there is none, titled with the first words unless a title is set."""
        if self.conversation is None:
            start, title = self.start, self.start.title or one_line(text, _MAX_TITLE_CHARS)
            key = str(uuid.uuid5(self._start_key, title))
            self.conversation = self._connection.call(
                lambda client: client.conversations.create(
                    start.agent, model=start.model, user=start.user, title=title, idempotency_key=key
                )
            )
        return self.conversation

    def settled(self) -> Conversation | None:
        """Return the conversation once it has recorded the turn that has just ended; after 2 s in any case."""
        for _ in range(_SETTLE_POLLS):
            conversation = self.refresh()
            if conversation is None or conversation.status not in ("running", "waiting"):
                break
            self._connection.call(lambda _: asyncio.sleep(_SETTLE_INTERVAL_S))
        return self.conversation

    def refresh(self) -> Conversation | None:
        """Return the conversation as it is now; None before the first message."""
        if (known := self.conversation) is not None:
            self.conversation = self._connection.call(lambda client: client.conversations.get(known.id))
        return self.conversation

    def newest_turns(self, count: int) -> tuple[ConversationTurn, ...]:
        """Return the last turns, oldest first."""
        conversation = self.refresh()
        if conversation is None or conversation.turns == 0:
            return ()
        return self.turns(max(1, conversation.turns - count + 1))

    def turns(self, start: int = 1) -> tuple[ConversationTurn, ...]:
        """Return the turns from number ``start`` on, oldest first."""
        if (conversation := self.conversation) is None:
            return ()
        conversation_id = conversation.id

        async def read(client: OpspawnClient) -> tuple[ConversationTurn, ...]:
            page = await client.conversations.turns(conversation_id, start=start, limit=_PAGE)
            turns = [*page.turns]
            while page.next_cursor is not None:
                page = await client.conversations.turns(conversation_id, limit=_PAGE, cursor=page.next_cursor)
                turns += page.turns
            return tuple(turns)

        return self._connection.call(read)

    def task(self, task_id: str) -> Task:
        """Return the task of a turn."""
        return self._connection.call(lambda client: client.get(task_id))

    def stop(self, task: Task) -> None:
        """Cancel a turn that runs."""
        self._connection.call(lambda client: client.cancel(task.id))

    def set_agent(self, name: str) -> None:
        """Let another agent respond, from the next turn on."""
        if (known := self.conversation) is None:
            self.check_agent(name)
            self._change_start(agent=name)
        else:
            self.conversation = self._connection.call(lambda client: client.conversations.change(known.id, agent=name))

    def check_agent(self, name: str) -> None:
        """Check that the agent can be used.

        Raises:
            UsageWrong: there is no such agent, or it has a problem.
        """
        agents = {agent.name: agent for agent in self.agents()}
        if name not in agents:
            raise UsageWrong(f"There is no agent {name!r}. There are: {', '.join(agents) or 'none'}.")
        if (problem := agents[name].problem) is not None:
            raise UsageWrong(f"Agent {name!r} can't be used: {problem}")

    def set_model(self, name: str | None) -> None:
        """Let another model respond, from the next turn on; None: the agent's own."""
        if (known := self.conversation) is None:
            self._change_start(model=name)
        else:
            self.conversation = self._connection.call(lambda client: client.conversations.change(known.id, model=name))

    def set_title(self, title: str) -> None:
        """Name the conversation, for lists."""
        if (known := self.conversation) is None:
            self._change_start(title=title)
        else:
            self.conversation = self._connection.call(lambda client: client.conversations.change(known.id, title=title))

    def _change_start(self, **changes: str | None) -> None:
        self.start = replace(self.start, **changes)  # type: ignore[arg-type]  # the fields of ChatStart are text
        self._start_key = uuid.uuid4()

    def fork(self, turn: int) -> Conversation:
        """Continue in a new conversation that shares the turns up to ``turn`` with this one; return it."""
        if (known := self.conversation) is None:
            raise UsageWrong("There is nothing to fork yet: no message was sent.")
        self.conversation = self._connection.call(lambda client: client.conversations.fork(known.id, turn))
        self._unsent = None
        return self.conversation

    def new(self) -> None:
        """Continue in a new conversation with the same agent and model, which the next message starts."""
        self._change_start(agent=self.agent, model=self.model, title=None)
        self.conversation = self._unsent = None
