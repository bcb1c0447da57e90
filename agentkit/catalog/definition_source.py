"""Read YAML files that people write, with errors that name file, line and key."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from agentkit.catalog.yaml_limits import DEFAULT_LIMITS, YamlLimits, document_problem, read_bounded
from agentkit.errors import AgentInvalid, ConfigurationInvalid
from agentkit.validation.validation_messages import ValidationIssue

__all__ = ["DefinitionSource", "read_yaml"]

_MAX_LINE_DEPTH = 8
"""Levels of keys whose lines are known; an error further down names the line of the enclosing key."""
_MAX_LINES = 20_000
"""How many keys and items have a known line: aliases may multiply them without an end."""


@dataclass(frozen=True)
class DefinitionSource:
    """The file or request field that contains a definition; for error messages."""

    name: str
    """The path of the file, or the name of the field."""
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)
    """The line of each key and list item, from 1."""
    error_type: type[ConfigurationInvalid] = AgentInvalid
    request_path: tuple[str, ...] | None = None
    """Where in a request an agent's definition is; None: it is in a file."""

    def error(self, issues: Iterable[ValidationIssue]) -> ConfigurationInvalid:
        """Return an error with one line for each issue, sorted by the lines of the file."""
        by_line = sorted(((self._line(issue.path), issue) for issue in issues), key=lambda pair: pair[0])
        text = "\n".join(
            f"{self.name}{f':{line}' if line else ''}: {issue.key}: {issue.message}" for line, issue in by_line
        )
        if self.request_path is None:
            return self.error_type(text)
        return AgentInvalid(text, [((*self.request_path, *issue.path), issue.message) for _, issue in by_line])

    def _line(self, path: tuple[str | int, ...]) -> int:
        """Return the line of the path, or of the longest part of it that the file has; 0 if there is none."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def read_yaml(
    path: Path, error_type: type[ConfigurationInvalid], *, example: str, limits: YamlLimits = DEFAULT_LIMITS
) -> tuple[dict[str, object], DefinitionSource]:
    """Return the keys and values of a file, and the lines that they are on.

    ``example`` is a line of such a file, for error messages.

    Raises:
        ConfigurationInvalid: of the given type: the file can't be read, or isn't YAML with keys that are unique.
    """
    try:
        node, data = _load(path, error_type, example, limits)
    except OSError as error:
        raise error_type(f"{path}: can't be read ({error.strerror}).") from error
    if not isinstance(data, dict):
        raise error_type(f"{path}: expected keys such as '{example}', got {type(data).__name__}.")
    return data, DefinitionSource(str(path), dict(itertools.islice(_lines(node), _MAX_LINES)), error_type)


def _load(
    path: Path, error_type: type[ConfigurationInvalid], example: str, limits: YamlLimits
) -> tuple[yaml.Node, object]:
    loader = None
    try:
        loader = yaml.SafeLoader(read_bounded(path, limits.max_bytes))
        node = loader.get_single_node()
        if node is None:
            raise error_type(f"{path}: the file is empty. Write at least '{example}'.")
        if problem := document_problem(node, limits.max_values) or _duplicate(node):
            raise error_type(f"{path}:{problem}")
        return node, loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise error_type(f"{path}{f':{mark.line + 1}' if mark else ''}: no valid YAML: {error.problem}.") from None
    except RecursionError:
        raise error_type(f"{path}: no valid YAML: nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise error_type(f"{path}: no valid YAML: {error}.") from None
    finally:
        if loader is not None:
            loader.dispose()


def _duplicate(node: yaml.Node) -> str | None:
    """Return line and name of a key that is given twice, with what is wrong; None if there is none."""
    pending, seen = [node], set()
    while pending:
        current = pending.pop()
        if id(current) in seen:  # an alias, which may refer to an enclosing node
            continue
        seen.add(id(current))
        if isinstance(current, yaml.SequenceNode):
            pending += current.value
        if not isinstance(current, yaml.MappingNode):
            continue
        first_lines: dict[str, int] = {}
        for key, value in current.value:
            pending.append(value)
            if not isinstance(key, yaml.ScalarNode):
                continue
            line = key.start_mark.line + 1
            if key.value in first_lines:
                return f"{line}: {key.value}: given twice, first on line {first_lines[key.value]}."
            first_lines[key.value] = line
    return None


def _lines(
    node: yaml.Node, path: tuple[str | int, ...] = (), depth: int = _MAX_LINE_DEPTH
) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Yield the line of each key and list item down to ``depth`` levels."""
    if depth == 0:
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), key.start_mark.line + 1
            yield from _lines(value, (*path, key.value), depth - 1)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), value.start_mark.line + 1
            yield from _lines(value, (*path, index), depth - 1)
