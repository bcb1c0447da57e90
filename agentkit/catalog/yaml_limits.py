"""Limits of YAML files: what is no regular file isn't opened, and a few lines of aliases can't stand for billions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

__all__ = ["DEFAULT_LIMITS", "YamlLimits", "document_problem", "read_bounded"]


@dataclass(frozen=True, slots=True)
class YamlLimits:
    """How large a file may be."""

    max_bytes: int = 1_048_576
    max_values: int = 20_000
    """Keys included, with aliases replaced by what they stand for."""


DEFAULT_LIMITS = YamlLimits()


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file; a pipe or device, which might never end, is not opened.

    Raises:
        ValueError: it is no regular file, or has more than ``max_bytes``.
        OSError: it can't be read.
    """
    path.stat()  # a file that is missing is an error of its own
    if not path.is_file():
        raise ValueError("it is no regular file")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it has more than {max_bytes:,} bytes")
    return content


_INTEGER_TAG = "tag:yaml.org,2002:int"
_MAX_INTEGER_CHARS = 400
"""Longer ones have more digits than Python writes as text: colons multiply by 60 each."""


def document_problem(root: yaml.Node, max_values: int) -> str | None:
    """Return line and reason why a document is refused: too many values, with those of aliases, or a huge integer."""
    sizes: dict[int, int] = {}
    seen: set[int] = set()
    pending = [(root, False)]
    while pending:
        node, is_counted = pending.pop()
        if isinstance(node, yaml.ScalarNode) and node.tag == _INTEGER_TAG and len(node.value) > _MAX_INTEGER_CHARS:
            length = len(node.value)
            return f"{node.start_mark.line + 1}: an integer of {length:,} characters: {_MAX_INTEGER_CHARS} at most."
        if is_counted:
            # A child without a size is a cycle, which validation refuses.
            sizes[id(node)] = 1 + sum(sizes.get(id(child), 1) for child in _children(node))
            if sizes[id(node)] > max_values:
                return f"{node.start_mark.line + 1}: more than {max_values:,} values, with those of aliases."
        elif id(node) not in seen:
            seen.add(id(node))
            pending.append((node, True))
            pending += [(child, False) for child in _children(node)]
    return None


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
