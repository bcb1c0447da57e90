"""Decode the bytes of a page as browsers do: by byte order mark, header, or the declaration in the page."""

from __future__ import annotations

import codecs
import re

__all__ = ["decode_text", "has_byte_order_mark"]

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_XML_STARTS = ((b"<\0?\0", "utf-16-le"), (b"\0<\0?", "utf-16-be"))
"""Of XML in UTF-16 without a byte order mark."""

_HEAD_BYTES = 4_096
"""How much of a page is searched for a declaration; browsers search 1,024 bytes."""
_XML_DECLARATION = re.compile(rb"""\s*<\?xml[^>]{0,200}?\sencoding\s{0,9}=\s{0,9}["']([\w.:-]{1,40})["']""")
_META_CHARSET = re.compile(
    rb"""<meta[^>]{0,200}?[\s"';]charset\s{0,9}=\s{0,9}["']?\s{0,9}([\w.:-]{1,40})""", re.IGNORECASE
)

_CODECS_OF_LABELS = {
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "windows-874": "cp874",
    "x-gbk": "gb18030",
    "iso-8859-8-i": "iso8859-8",
    "x-mac-cyrillic": "mac-cyrillic",
    "unicode": "utf-16-le",
}
"""Labels that browsers know and Python doesn't."""
_BROWSERS_CODECS = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "utf-16": "utf-16-le",
    "utf-32": "utf-32-le",
}
"""Codecs that browsers take instead, because pages have more characters than the codec of that name."""
_TEXT_CODECS = re.compile(
    r"ascii|utf_?-?(8|16|32)|iso|latin|cp\d|windows|koi8|mac|gb|big5|euc|shift|johab|hz|tis|ptcp|hp"
)
"""Names of Python's codecs for text. Others (``idna``, ``punycode``) take quadratic time."""


def has_byte_order_mark(content: bytes) -> bool:
    """Return whether the content begins with a byte order mark, so that it is text."""
    return any(content.startswith(mark) for mark, _ in _BYTE_ORDER_MARKS)


def decode_text(content: bytes, charset: str | None, *, is_html: bool = False, is_truncated: bool = False) -> str:
    """Return the content as text.

    A byte order mark wins over ``charset``, that of the HTTP header, and that over the declaration in XML or HTML.
    UTF-8 is the default. Bytes that are no text become replacement characters.
    """
    for mark, codec in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decode(content[len(mark) :], codec, is_truncated)
    codec = _codec(charset) or _declared_codec(content, is_html) or "utf-8"
    return _decode(content, codec, is_truncated)


def _decode(content: bytes, codec: str, is_truncated: bool) -> str:
    """Decode the content; of truncated content, without the part of a character at its end."""
    return codecs.getincrementaldecoder(codec)("replace").decode(content, final=not is_truncated)


def _declared_codec(content: bytes, is_html: bool) -> str | None:
    for start, codec in _XML_STARTS:
        if content.startswith(start):
            return codec
    head = content[:_HEAD_BYTES]
    declared = _XML_DECLARATION.match(head) or (_META_CHARSET.search(head) if is_html else None)
    codec_name = _codec(declared[1].decode("ascii")) if declared else None
    # A declaration that can be read byte by byte isn't in UTF-16, whatever it says.
    return "utf-8" if codec_name is not None and codec_name.startswith(("utf-16", "utf-32")) else codec_name


def _codec(charset: str | None) -> str | None:
    """Return Python's codec for a charset; None if there is none for text."""
    label = (charset or "").strip(" \t\"'").lower()
    try:
        name = codecs.lookup(_CODECS_OF_LABELS.get(label, label)).name
    except (LookupError, ValueError):
        return None
    return _BROWSERS_CODECS.get(name, name) if _TEXT_CODECS.match(name) else None
