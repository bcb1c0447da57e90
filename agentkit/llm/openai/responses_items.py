"""Put the items of a response together from the events of OpenAI's Responses API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Literal

from pydantic import JsonValue, model_validator

from agentkit.llm.shared.lenient_types import Text, as_list
from agentkit.llm.shared.streams.response_builder import DeltaKind
from agentkit.records import Record

__all__ = ["CALL_ITEM", "PARAGRAPH", "PartialItem", "PartialItems", "ResponseItem"]

PARAGRAPH = "\n\n"
"""Separates the parts of a reasoning summary."""

CALL_ITEM = "function_call"
"""The API's type of an item that holds a tool call."""

ItemType = Literal["reasoning", "message", "function_call"]
_TYPES: Mapping[DeltaKind, ItemType] = {"thinking": "reasoning", "text": "message", "tool_arguments": "function_call"}
_Json = dict[str, JsonValue]


class _Content(Record):
    type: Text = ""
    text: Text = ""
    refusal: Text = ""

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, received: object) -> object:
        return {"text": received} if isinstance(received, str) else received


class ResponseItem(Record):
    """One output item: reasoning, a message, or a tool call."""

    type: Text = ""
    id: Text = ""
    status: Text = ""
    call_id: Text = ""
    name: Text = ""
    arguments: JsonValue = None
    phase: str | None = None
    encrypted_content: str | None = None
    summary: tuple[_Content, ...] = ()
    content: tuple[_Content, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _with_lists(cls, received: object) -> object:
        if not isinstance(received, dict):
            return received
        lists = {key: _as_contents(received.get(key)) for key in ("summary", "content")}
        return {**received, **lists}

    @property
    def arguments_json(self) -> str:
        """The arguments of a call as text; empty if there are none."""
        if self.arguments is None or isinstance(self.arguments, str):
            return self.arguments or ""
        return json.dumps(self.arguments, ensure_ascii=False)

    @property
    def reasoning_text(self) -> str:
        """The text of reasoning: its summary, or all of it."""
        return PARAGRAPH.join(part.text for part in self.summary) or "".join(part.text for part in self.content)

    @property
    def message_text(self) -> str:
        """The text of a message."""
        return "".join(part.text or part.refusal for part in self.content)

    @property
    def is_refusal(self) -> bool:
        """Whether the model refuses."""
        return any(part.type == "refusal" for part in self.content)

    def is_same(self, other: ResponseItem) -> bool:
        """Return whether two items are states of one: by the id of the call, or else of the item."""
        if self.type != other.type:
            return False
        pairs = ((self.call_id, other.call_id), (self.id, other.id))
        return next((mine == its for mine, its in pairs if mine and its), False)


def _as_contents(value: object) -> object:
    return [value] if isinstance(value, str) and value else as_list(value)


class PartialItem:
    """An item that is still being received."""

    def __init__(self, received: _Json) -> None:
        self.received = received
        """As it was sent last."""
        self._texts: list[str] = []
        self.state = ResponseItem.model_validate(received)
        """The same, parsed: at the start without content."""
        self.is_done = False

    @property
    def is_streamed(self) -> bool:
        """Whether deltas of it came."""
        return bool(self._texts)

    def add(self, delta: str) -> None:
        """Append a delta."""
        self._texts.append(delta)

    def finish(self, received: _Json) -> None:
        """Replace the item by its final state."""
        self.received = received
        self.state = ResponseItem.model_validate(received)
        self.is_done = True

    def read(self) -> _Json:
        """Return the item as the server sent it; if it has no text of its own, with that of its deltas."""
        text = "".join(self._texts)
        match self.state.type:
            case "function_call" if text and not self.state.arguments_json:
                return {**self.received, "arguments": text}
            case "message" if text and not self.state.message_text:
                return {**self.received, "content": [{"type": "output_text", "text": text}]}
            case "reasoning" if text and not self.state.reasoning_text:
                return {**self.received, "summary": [{"type": "summary_text", "text": text}]}
        return self.received


class PartialItems:
    """The items of a response while it is received. Some servers give several the same index, or none at all."""

    def __init__(self) -> None:
        self._items: list[PartialItem] = []
        self._by_index: dict[int, PartialItem] = {}

    @property
    def received(self) -> list[PartialItem]:
        """The items in order."""
        return self._items

    def start(self, item: _Json, index: int | None) -> None:
        """Add an item whose content follows."""
        self._add(PartialItem(item), index)

    def for_delta(self, kind: DeltaKind, index: int | None, item_id: str) -> PartialItem:
        """Return the item that a delta belongs to: the one with its id, at its index, or the last of its kind."""
        item_type = _TYPES[kind]
        fitting = [item for item in self._items if not item.is_done and item.state.type == item_type]
        at_index = self._by_index.get(index) if index is not None else None
        for item in fitting:
            if (item_id and item.state.id == item_id) or (not item_id and item is at_index):
                return item
        if fitting:
            return at_index if at_index in fitting else fitting[-1]
        return self._add(PartialItem({"type": item_type, "id": item_id}), index)

    def finish(self, received: _Json, index: int | None) -> PartialItem | None:
        """Add the final state of an item; return it, or None if this state is known already."""
        if any(item.is_done and item.received == received for item in self._items):
            return None
        state = ResponseItem.model_validate(received)
        at_index = self._by_index.get(index) if index is not None else None
        item = next((item for item in self._items if item.state.is_same(state)), None)
        if item is None and at_index is not None and not at_index.is_done and at_index.state.type == state.type:
            item = at_index
        item = item or self._add(PartialItem(received), index)
        item.finish(received)
        return item

    def merge(self, complete: list[_Json]) -> list[PartialItem]:
        """Add the items of the complete response; return those that were not known.

        Their order is that of the complete response, if it has all of them.
        """
        unmatched, ordered, added = [*self._items], [], []
        for received in complete:
            state = ResponseItem.model_validate(received)
            item = next((item for item in unmatched if item.state.is_same(state)), None)
            item = item or next((item for item in unmatched if item.read() == received), None)
            item = item or next((item for item in unmatched if _may_be_same(item.state, state)), None)
            if item is None:
                item = PartialItem(received)
                added.append(item)
            else:
                unmatched.remove(item)
            if not item.is_done:
                item.finish(received)
            ordered.append(item)
        self._items = [*self._items, *added] if unmatched else ordered
        return added

    def _add(self, item: PartialItem, index: int | None) -> PartialItem:
        self._items.append(item)
        if index is not None:
            self._by_index[index] = item
        return item


def _may_be_same(first: ResponseItem, second: ResponseItem) -> bool:
    """Return whether two items have the same type, and no ids that differ."""
    has_ids = (first.call_id and second.call_id) or (first.id and second.id)
    return first.type == second.type and not has_ids
