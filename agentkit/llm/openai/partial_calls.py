"""Put tool calls together from the increments that Chat Completions APIs stream."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pydantic import JsonValue

from agentkit.llm.openai.chat_chunk import ChatToolCall
from agentkit.llm.shared.tool_arguments import parse_arguments

__all__ = ["PartialCall", "PartialCalls"]

_MAX_NAME_CHARS = 256
_MAX_PARSED_CHARS = 65_536
"""Longer arguments are not parsed while they are received, as that may be with each increment."""
_ENDS_OF_ARGUMENTS = ("}", '"', "null")


class PartialCall:
    """A tool call that is still being received."""

    def __init__(self, call_id: str) -> None:
        self.id = call_id
        self.name = ""
        self.extra_content: JsonValue = None
        self._arguments: list[str] = []
        self._length = 0

    @property
    def arguments(self) -> str:
        """The arguments so far, as JSON text."""
        return "".join(self._arguments)

    def add_arguments(self, text: str) -> None:
        """Append arguments."""
        if text:
            self._arguments.append(text)
            self._length += len(text)

    @property
    def has_arguments(self) -> bool:
        """Whether anything was sent as arguments, even ``{}``."""
        return bool(self._arguments)

    @property
    def parsed_arguments(self) -> dict[str, JsonValue] | None:
        """The arguments as an object; None if they are none, or not yet."""
        # Parsed only where they may be complete: some servers send the name, which asks for it, with each increment.
        may_be_complete = self._arguments and self._arguments[-1].rstrip().endswith(_ENDS_OF_ARGUMENTS)
        if not may_be_complete or self._length > _MAX_PARSED_CHARS:
            return None
        return parse_arguments(self.arguments)


class PartialCalls:
    """The tool calls of a response while it is received.

    An increment belongs to the call at its index, to that with its id, or to the last one. Servers number calls by one
    index or one id for all, by a new id in each increment, or not at all, and send the name once, in pieces, or in each
    increment. A name decides whether another call begins.
    """

    def __init__(self, tool_names: Collection[str]) -> None:
        self._calls: list[PartialCall] = []
        self._calls_by_index: dict[int, PartialCall] = {}
        self._tool_names = tool_names

    @property
    def received(self) -> list[PartialCall]:
        """The calls in order, without those of which nothing was sent."""
        return [call for call in self._calls if call.name or call.has_arguments]

    def add(self, deltas: Sequence[ChatToolCall]) -> list[PartialCall]:
        """Add the increments of one chunk; return the call of each."""
        named: list[PartialCall] = []
        calls = []
        for delta in deltas:
            call = self._call_for(delta, named)
            if delta.index is not None:
                self._calls_by_index[delta.index] = call
            if delta.function.name:
                named.append(call)
            call.id = call.id or delta.id
            call.name = self._joined_name(call.name, delta.function.name)
            call.extra_content = delta.extra_content or call.extra_content
            call.add_arguments(delta.function.arguments_json)
            calls.append(call)
        return calls

    def add_complete(self, call: ChatToolCall) -> PartialCall:
        """Add a call of which nothing else will be sent."""
        added = self._new_call(call.id)
        added.name = call.function.name
        added.extra_content = call.extra_content
        added.add_arguments(call.function.arguments_json)
        return added

    def _new_call(self, call_id: str) -> PartialCall:
        call = PartialCall(call_id)
        self._calls.append(call)
        return call

    def _call_for(self, delta: ChatToolCall, named: Sequence[PartialCall]) -> PartialCall:
        """Return the call of an increment; ``named`` are those that the same chunk has named already."""
        call = self._call_at(delta)
        if call is None:
            return self._new_call(delta.id)
        has_same_id = bool(delta.id) and delta.id == call.id
        if delta.function.name and ((call in named and not has_same_id) or self._begins_another(call, delta)):
            return self._new_call(delta.id)
        return call

    def _call_at(self, delta: ChatToolCall) -> PartialCall | None:
        """Return the call at the place of an increment; its name may begin another one there."""
        at_index = self._calls_by_index.get(delta.index) if delta.index is not None else None
        with_id = next((call for call in reversed(self._calls) if delta.id and call.id == delta.id), None)
        last = self._calls[-1] if self._calls else None
        if not delta.function.name:
            is_of_other = at_index is not None and with_id is not None and at_index.id != delta.id
            return with_id if is_of_other else at_index or with_id or last
        if delta.index is not None:
            return at_index
        return with_id or (None if delta.id else last)

    def _begins_another(self, call: PartialCall, delta: ChatToolCall) -> bool:
        """Return whether an increment with a name begins another call than the one at its place."""
        name, arguments = delta.function.name, delta.function.arguments_json
        if not call.name or (not call.has_arguments and self._is_piece_of_name(call.name, name)):
            return False
        if name != call.name:
            return not self._extends_name(call.name, name)
        if delta.id and delta.id == call.id:
            return False
        if delta.id and call.id:
            return call.parsed_arguments is not None or not (arguments or call.has_arguments)
        return bool(call.parsed_arguments) and arguments.lstrip().startswith("{")

    def _is_piece_of_name(self, start: str, piece: str) -> bool:
        is_name = start in self._tool_names and piece in self._tool_names
        return not is_name and any(name.startswith(start + piece) for name in self._tool_names)

    def _extends_name(self, start: str, name: str) -> bool:
        """Return whether a name is sent from its beginning again, longer than before."""
        return name.startswith(start) and start not in self._tool_names and name in self._tool_names

    def _joined_name(self, start: str, piece: str) -> str:
        if len(start) > _MAX_NAME_CHARS:
            return start
        if not start or (piece == start and not self._is_piece_of_name(start, piece)):
            return piece or start
        return piece if self._extends_name(start, piece) else start + piece
