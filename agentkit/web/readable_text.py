"""Reduce HTML to readable text with links.

libxml2's event parser takes time linear in the page: no tree is built, and parsing stops at ``_MAX_DEPTH`` open
elements, because each closing tag is compared with all of them. Parsers that build HTML5's tree take quadratic time on
nested elements.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from urllib.parse import urljoin

from lxml import etree

__all__ = ["html_to_text"]

_HIDDEN = frozenset({"canvas", "iframe", "script", "style", "svg", "template", "textarea"})
"""Elements whose text a reader doesn't see."""
_PARAGRAPHS = frozenset(
    {"article", "blockquote", "dl", "figure", "form", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"ol", "p", "pre", "section", "table", "ul"}
)
_LINES = frozenset(
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
_SPACES = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n{3,}")
_MAX_LINK_CHARS = 500
_MAX_DEPTH = 1_000
"""Open elements; text that is nested deeper is left out."""
_CHUNK_BYTES = 8_192
"""Bytes that are parsed between two checks of the depth."""
_VOID = frozenset({"br", "hr"})
"""Elements without content: they break the line once."""


class _TooDeep(Exception):
    """More than ``_MAX_DEPTH`` elements are open."""


def html_to_text(page: str, url: str) -> str:
    """Return a page's title and text; links as ``[text](target)``, with targets made absolute by ``url``.

    Malformed pages are read as far as the parser understands them; nothing raises.
    """
    target = _TextCollector(url)
    parser = etree.HTMLParser(  # type: ignore[call-overload]  # lxml calls only those methods that a target has
        target=target, no_network=True, encoding="utf-8"
    )
    with contextlib.suppress(_TooDeep, etree.XMLSyntaxError):
        content = page.encode(errors="replace")
        for start in range(0, len(content), _CHUNK_BYTES):
            parser.feed(content[start : start + _CHUNK_BYTES])
        parser.close()
    target.close_link()
    text = _SPACES.sub(" ", "".join(target.parts))
    text = _BLANK_LINES.sub("\n\n", "\n".join(line.strip(" ") for line in text.split("\n"))).strip()
    return "\n\n".join(filter(None, (" ".join(target.title.split()), text)))


class _TextCollector:
    """Collects a page's title and text: a parser target, whose methods lxml calls for each tag and text."""

    def __init__(self, url: str) -> None:
        self.title = ""
        self.parts: list[str] = []
        self._url = url
        self._depth = 0
        self._hidden_at = 0
        """Depth of the outermost hidden element that is open; 0: none."""
        self._title_at = 0
        """Depth of the open title element; 0: none."""
        self._link: tuple[int, str] | None = None
        """Position in ``parts`` where the open link's text starts, and its target."""

    # lxml calls start, end, data and close.

    def start(self, tag: str, attrib: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _TooDeep
        if self._hidden_at:
            return
        if tag in _HIDDEN:
            self._hidden_at = self._depth
        elif tag == "title" and not self.title:
            self._title_at = self._depth
        else:
            if tag == "a":
                self._open_link(attrib.get("href", ""))
            self._break(tag)
            if tag in _PREFIXES:
                self.parts.append(_PREFIXES[tag])

    def end(self, tag: str) -> None:
        if self._hidden_at == self._depth:
            self._hidden_at = 0
        elif self._title_at == self._depth:
            self._title_at = 0
        elif not self._hidden_at:
            if tag == "a":
                self.close_link()
            if tag not in _VOID:
                self._break(tag)
        self._depth -= 1

    def data(self, text: str) -> None:
        if self._title_at:
            self.title += text
        elif not self._hidden_at:
            self.parts.append(text)

    def close(self) -> None:
        pass

    def _break(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self.parts.append("\n\n")
        elif tag == "br" or (tag in _LINES and not (self.parts and self.parts[-1].endswith("\n"))):
            self.parts.append("\n")

    def _open_link(self, href: str) -> None:
        self.close_link()
        href = href.strip()
        if not href or href.startswith("#"):
            return
        with contextlib.suppress(ValueError):
            target = urljoin(self._url, href)
            if target.startswith(("http://", "https://")) and len(target) <= _MAX_LINK_CHARS:
                self._link = (len(self.parts), target)

    def close_link(self) -> None:
        if self._link is None:
            return
        start, target = self._link
        self._link = None
        text = " ".join("".join(self.parts[start:]).split())
        self.parts[start:] = [f"[{text}]({target})"] if text else []
