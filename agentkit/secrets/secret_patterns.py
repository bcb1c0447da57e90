"""Regular expressions, for RE2 and bytes, that match a secret in any of its usual encodings.

A text may hold the secret as it is, percent-encoded (also in part), escaped as JSON, a Python literal or HTML, in hex,
or in base64, where what stands before it shifts its bits in three ways. Each expression takes time linear in the text.
"""

from __future__ import annotations

import base64

__all__ = ["secret_pattern"]

_BREAK = rb"(?:\\+[rn]|[\r\n])*"
"""Encoders break lines; JSON escapes the break."""
_HEX_GAP = rb"(?:\\+[rn]|[\s:])?"
_BASE64 = {b"+": rb"(?:[+-]|%2[Bb])", b"/": rb"(?:\\*/|_|%2[Ff])"}
_HTML = {"&": b"amp", "<": b"lt", ">": b"gt", '"': b"quot", "'": b"apos"}
_CONTROLS = {"\n": b"n", "\r": b"r", "\t": b"t", "\b": b"b", "\f": b"f"}
_MIN_LINE_CHARS = 32
"""A line of a secret that is as long counts as a secret of its own: what prints a key prints its lines."""


def secret_pattern(value: str) -> bytes:
    """Return a regular expression that matches ``value`` in any encoding, and each long line of it."""
    lines = [line for line in value.splitlines() if len(line) >= _MIN_LINE_CHARS and not line.startswith("-----")]
    parts = dict.fromkeys([value, *lines])
    return b"|".join(pattern for part in parts for pattern in _patterns(part))


def _patterns(value: str) -> list[bytes]:
    raw = value.encode("utf-8", "surrogatepass")
    in_hex = _HEX_GAP.join(b"%02x" % byte for byte in raw)
    return [b"".join(map(_character, value)), b"(?i:" + in_hex + b")", *_base64(raw)]


def _character(character: str) -> bytes:
    """Return an expression for one character of the secret, as it is or escaped."""
    raw = character.encode("utf-8", "surrogatepass")
    literal = b"".join(rb"\x%02x" % byte for byte in raw)
    units = character.encode("utf-16-be", "surrogatepass")
    escaped = b"".join(rb"\\+u" + units[index : index + 2].hex().encode() for index in range(0, len(units), 2))
    forms = [
        rb"\\+" if character == "\\" else rb"\\*" + literal if character in "\"'/" else literal,
        b"(?i:" + b"".join(b"%%%02x" % byte for byte in raw) + b")",
        b"(?i:" + escaped + b")",
        b"(?i:" + b"".join(rb"\\+x%02x" % byte for byte in raw) + b")",
    ]
    if character == " ":
        forms.append(rb"\+")
    if character in _CONTROLS:
        forms.append(rb"\\+" + _CONTROLS[character])
    if character in _HTML:
        forms.append(b"&(?:%s|#0*%d|(?i:#x0*%x));" % (_HTML[character], ord(character), ord(character)))
    return b"(?:" + b"|".join(forms) + b")"


def _base64(raw: bytes) -> list[bytes]:
    """Return expressions for the characters that depend on the secret alone, for each position of its first byte."""
    patterns = []
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        own = encoded[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        characters = (bytes([code]) for code in own)
        patterns.append(_BREAK.join(_BASE64.get(character, character) for character in characters))
    return patterns
