"""Separate the thinking that a server leaves in the text, between tags, from the text itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["TaggedText", "ThinkTagSplitter", "split_think_tags"]

_CLOSING_TAGS: Mapping[str, str] = {
    "<think>": "</think>",
    "[THINK]": "[/THINK]",
    "<seed:think>": "</seed:think>",
}
"""Closing tags by opening tag. Tags count only at the beginning of a response: later they are part of the text."""
_UNOPENED = re.compile(r"(?:(?!<think>).)*?(?<![`'\"])</think>(?![`'\"])", re.DOTALL)
"""Chat templates that write the opening tag into the prompt leave only the closing one in the response."""

Kind = Literal["text", "thinking"]


@dataclass(frozen=True, slots=True)
class TaggedText:
    """A model's text, divided into the thinking between tags at its beginning and the rest."""

    text: str
    thinking: str = ""
    opening_tag: str = ""
    """Empty: the server wrote only the closing one."""
    closing_tag: str = ""
    """Empty: there is no thinking."""


class ThinkTagSplitter:
    """Splits a response's text while it is received; what may become a tag is held back."""

    def __init__(self) -> None:
        self._held = ""
        self._closing_tag = ""
        self._state: Literal["start", "thinking", "text"] = "start"
        self.opening_tag = ""
        """The tag that began the thinking; empty if there is none."""

    def add(self, text: str) -> list[tuple[Kind, str]]:
        """Return the parts that are complete with the next piece of text."""
        if self._state == "text":
            return [("text", text)]
        self._held += text
        parts: list[tuple[Kind, str]] = []
        while self._held:
            part = self._at_start() if self._state == "start" else self._in_thinking()
            if part is None:
                break
            parts.append(part)
        return [(kind, piece) for kind, piece in parts if piece]

    def end(self) -> list[tuple[Kind, str]]:
        """Return what was held back. All that follows is text."""
        held, self._held = self._held, ""
        kind: Kind = "thinking" if self._state == "thinking" else "text"
        if self.opening_tag and not held.strip():
            held = ""  # white space between the thinking and the text
        self._state = "text"
        return [(kind, held)] if held else []

    def _at_start(self) -> tuple[Kind, str] | None:
        text = self._held.lstrip()
        tag = next((tag for tag in _CLOSING_TAGS if text.startswith(tag)), None)
        if tag is not None:
            self.opening_tag = self.opening_tag or tag
            self._closing_tag = _CLOSING_TAGS[tag]
            self._held = text[len(tag) :]
            self._state = "thinking"
            return "thinking", ""
        if any(tag.startswith(text) for tag in _CLOSING_TAGS):
            return None
        complete = text if self.opening_tag else self._held
        self._held, self._state = "", "text"
        return "text", complete

    def _in_thinking(self) -> tuple[Kind, str] | None:
        thinking, tag, rest = self._held.partition(self._closing_tag)
        if tag:
            self._held, self._state = rest, "start"
            return "thinking", thinking
        held = _partial_suffix(thinking, self._closing_tag)
        self._held = held
        return ("thinking", thinking.removesuffix(held)) if thinking != held else None


def split_think_tags(text: str) -> TaggedText:
    """Return a complete text without the thinking at its beginning; an unclosed thought is all of the text."""
    splitter = ThinkTagSplitter()
    parts = [*splitter.add(text), *splitter.end()]
    if opening_tag := splitter.opening_tag:
        thinking, rest = ("".join(piece for kind, piece in parts if kind == wanted) for wanted in ("thinking", "text"))
        return TaggedText(rest, thinking, opening_tag, _CLOSING_TAGS[opening_tag])
    closing_tag = _CLOSING_TAGS["<think>"]
    is_json = text.lstrip().startswith(("{", "["))
    unopened = _UNOPENED.match(text) if closing_tag in text and not is_json else None
    if unopened is None:
        return TaggedText(text)
    return TaggedText(text[unopened.end() :].lstrip(), unopened[0].removesuffix(closing_tag), "", closing_tag)


def _partial_suffix(text: str, tag: str) -> str:
    """Return the end of ``text`` that may be the beginning of ``tag``."""
    lengths = range(min(len(tag) - 1, len(text)), 0, -1)
    return next((text[-length:] for length in lengths if tag.startswith(text[-length:])), "")
