"""Reduce HTML to readable text with links, in time linear in the length of any page.

Parsers take quadratic time for hostile pages: ``html.parser`` a minute for 80 kB, and those that build HTML5's tree
(Lexbor) half a minute for 500 kB of nested ``<div>``. So tags are found here, in one pass without backtracking.
"""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin

__all__ = ["html_to_text"]

_RAW_TEXT_END = {name: re.compile(rf"</{name}", re.IGNORECASE) for name in ("script", "style", "textarea", "title")}
"""Elements whose content holds no tags, with the pattern of their end."""
_HIDDEN_ELEMENTS = frozenset({"canvas", "iframe", "script", "style", "svg", "template", "textarea"})
_PARAGRAPH_ELEMENTS = frozenset(
    {"article", "blockquote", "dl", "figure", "form", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"ol", "p", "pre", "section", "table", "ul"}
)
_LINE_ELEMENTS = frozenset(
    {
        "address",
        "aside",
        "br",
        "caption",
        "dd",
        "div",
        "dt",
        "footer",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "option",
        "tr",
    }
)
_PREFIXES = {"li": "- ", "td": " | ", "th": " | ", **{f"h{level}": "#" * level + " " for level in range(1, 7)}}

_MARKUP = re.compile(r"<(?:!--|[!?]|(/?[a-zA-Z][a-zA-Z0-9:-]*))")
_HREF = re.compile(r"""\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n{3,}")
_MAX_TAG_CHARS = 4_096
_MAX_QUOTED_CHARS = 1_024
"""An unclosed quote in a tag is ignored after that many characters."""
_MAX_LINK_CHARS = 500


def html_to_text(page: str, url: str) -> str:
    """Return the text of the page at ``url``: title, headings, list items, and links as ``[text](address)``."""
    writer = _TextWriter(url)
    for tag, content in _tokens(page):
        writer.add(tag, content)
    writer.close_link()
    text = _SPACES.sub(" ", "".join(writer.parts))
    text = _BLANK_LINES.sub("\n\n", "\n".join(line.strip(" ") for line in text.split("\n"))).strip()
    return "\n\n".join(filter(None, (writer.title, text)))


def _tokens(page: str) -> Iterator[tuple[str, str]]:
    """Yield ``(name, tag)`` for each tag, with ``/`` before the name of an end tag, and ``("", text)`` for text."""
    position = 0
    while (markup := _MARKUP.search(page, position)) is not None:
        yield "", page[position : markup.start()]
        position = _markup_end(page, markup)
        if markup[1] is None:
            continue
        tag = markup[1].lower()
        yield tag, page[markup.start() : position][:_MAX_TAG_CHARS]
        if tag in _RAW_TEXT_END:
            closing = _RAW_TEXT_END[tag].search(page, position)
            end = closing.start() if closing else len(page)
            yield "", page[position:end]
            position = end
    yield "", page[position:]


def _markup_end(page: str, markup: re.Match[str]) -> int:
    """Return the position after a tag, comment or declaration."""
    start = markup.start()
    if markup[0] == "<!--":
        end = page.find("-->", markup.end())
        return end + 3 if end >= 0 else len(page)
    end = page.find(">", start)
    while 0 <= end < start + _MAX_QUOTED_CHARS and page.count('"', start, end) % 2:  # a > inside an attribute
        end = page.find(">", end + 1)
    return end + 1 if end >= 0 else len(page)


@dataclass
class _TextWriter:
    url: str
    title: str = ""
    parts: list[str] = field(default_factory=list)
    _hidden: str | None = None
    _in_title: bool = False
    _link: tuple[int, str] | None = None
    """The index in ``parts`` where the open link's text begins, and the link's address."""

    def add(self, tag: str, content: str) -> None:
        if not tag:
            self._add_text(content)
        elif self._hidden is not None:
            self._hidden = None if tag == f"/{self._hidden}" else self._hidden
        elif tag in _HIDDEN_ELEMENTS and not content.endswith("/>"):
            self._hidden = tag
        else:
            self._add_tag(tag, content)

    def _add_text(self, text: str) -> None:
        if self._hidden is not None or not text:
            return
        with contextlib.suppress(ValueError):  # a character reference with thousands of digits
            text = html.unescape(text)
        if self._in_title:
            self.title = " ".join(text.split())
        else:
            self.parts.append(text)

    def _add_tag(self, tag: str, content: str) -> None:
        name = tag.removeprefix("/")
        self._in_title = tag == "title" and not self.title
        if name == "a":
            self.close_link()
        if tag == "a":
            self._open_link(content)
        if name in _PARAGRAPH_ELEMENTS:
            self.parts.append("\n\n")
        elif name in _LINE_ELEMENTS:
            self.parts.append("\n")
        self.parts.append(_PREFIXES.get(tag, ""))

    def _open_link(self, content: str) -> None:
        match = _HREF.search(content)
        href = html.unescape(match[1] or match[2] or match[3] or "").strip() if match else ""
        if not href or href.startswith("#"):
            return
        with contextlib.suppress(ValueError):  # not a valid URL: keep the text without a link
            target = urljoin(self.url, href)
            if target.startswith(("http://", "https://")) and len(target) <= _MAX_LINK_CHARS:
                self._link = (len(self.parts), target)

    def close_link(self) -> None:
        if self._link is None:
            return
        start, target = self._link
        self._link = None
        text = " ".join("".join(self.parts[start:]).split())
        self.parts[start:] = [f"[{text}]({target})"] if text else []
