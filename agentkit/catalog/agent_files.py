"""Read agent definitions: ``agents/*.yaml``, with errors that name file, line and key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import ValidationError

from agentkit.config.providers import split_model
from agentkit.errors import AgentInvalid, ConfigurationInvalid
from agentkit.planners import PLANNERS
from agentkit.schemas.schema_rules import check_schema
from agentkit.specs import AgentDefinition, ApprovalRule, Limits, MemorySettings, ModelSettings
from agentkit.validation_messages import ValidationIssue, did_you_mean, validation_issues

__all__ = [
    "AgentFile",
    "DefinitionSource",
    "definition_issues",
    "explain_issue",
    "named_models",
    "planner_error",
    "read_agent",
]

_UNSUPPORTED = "is not in this release"
_KNOWN_KEYS = {
    "approvals": ApprovalRule.model_fields,
    "limits": Limits.model_fields,
    "memory": MemorySettings.model_fields,
    "model_settings": ModelSettings.model_fields,
}
_NAME_RULE = "a letter, then letters, digits, '_' or '-'; 64 at most"


@dataclass(frozen=True)
class DefinitionSource:
    """The file or request field that contains a definition; for error messages."""

    name: str
    """The path of the file, or the name of the field."""
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)
    """The line of each key and list item, from 1."""

    def error(self, issues: Iterable[ValidationIssue]) -> AgentInvalid:
        """Return an error with one line for each issue, sorted by the lines of the file."""
        by_line = sorted(((self._line(issue.path), issue) for issue in issues), key=lambda pair: pair[0])
        return AgentInvalid(
            "\n".join(
                f"{self.name}{f':{line}' if line else ''}: {issue.key}: {issue.message}" for line, issue in by_line
            )
        )

    def _line(self, path: tuple[str | int, ...]) -> int:
        """Return the line of the path, or of the longest part of it that the file has; 0 if there is none."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


@dataclass(frozen=True)
class AgentFile:
    """A definition and its source."""

    definition: AgentDefinition
    source: DefinitionSource


def read_agent(path: Path) -> AgentFile:
    """Read one file. An agent without a name has the name of its file.

    Raises:
        AgentInvalid: the message has the file, the line, the key, what was expected and the value.
    """
    try:
        node, data = _load_yaml(path)
    except OSError as error:
        raise AgentInvalid(f"{path}: can't be read ({error.strerror}).") from error
    source = DefinitionSource(str(path), dict(_lines(node)))
    if not isinstance(data, dict):
        raise AgentInvalid(f"{path}: expected keys such as 'instructions: ...', got {type(data).__name__}.")
    data = {"name": path.stem, **data}
    try:
        definition = AgentDefinition.model_validate(data)
    except ValidationError as error:
        raise source.error(map(explain_issue, validation_issues(error, data))) from None
    if issues := definition_issues(definition):
        raise source.error(issues)
    return AgentFile(definition, source)


def _load_yaml(path: Path) -> tuple[yaml.Node, object]:
    loader = None
    try:
        loader = yaml.SafeLoader(path.read_bytes())
        node = loader.get_single_node()
        if node is None:
            raise AgentInvalid(f"{path}: the file is empty. Write at least 'instructions: ...'.")
        _refuse_duplicates(node, path)
        return node, loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise AgentInvalid(f"{path}{f':{mark.line + 1}' if mark else ''}: no valid YAML: {error.problem}.") from None
    except RecursionError:
        raise AgentInvalid(f"{path}: no valid YAML: nested too deeply.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise AgentInvalid(f"{path}: no valid YAML: {error}.") from None
    finally:
        if loader is not None:
            loader.dispose()


def _refuse_duplicates(node: yaml.Node, path: Path) -> None:
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
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and first_lines.setdefault(key.value, line) != line:
                raise AgentInvalid(f"{path}:{line}: {key.value}: given twice, first on line {first_lines[key.value]}.")


def _lines(
    node: yaml.Node, path: tuple[str | int, ...] = (), depth: int = 4
) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Yield the line of each key and list item down to ``depth`` levels: no definition has more."""
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


def explain_issue(issue: ValidationIssue) -> ValidationIssue:
    """Return the issue with the known keys in its message, if a key is unknown, or the rule for names."""
    if issue.path == ("name",):
        return ValidationIssue(issue.path, f"expected {_NAME_RULE}{issue.message[issue.message.rfind(', got ') :]}")
    if issue.error_type != "extra_forbidden":
        return issue
    *parents, key = issue.path
    known = _KNOWN_KEYS.get(str(parents[0]), AgentDefinition.model_fields) if parents else AgentDefinition.model_fields
    message = f"unknown key.{did_you_mean(str(key), known)} Keys: {', '.join(known)}"
    return ValidationIssue(issue.path, message)


def definition_issues(definition: AgentDefinition) -> list[ValidationIssue]:
    """Return what is wrong or unsupported in a definition, without a look at the tools that exist."""
    return [
        *_unsupported_features(definition),
        *_model_issues(definition),
        *_schema_issues(definition),
        *_planner_issues(definition),
    ]


def _unsupported_features(definition: AgentDefinition) -> Iterator[ValidationIssue]:
    if definition.memory.long_term:
        message = f"long-term memory {_UNSUPPORTED}. Leave the key out, or write false"
        yield ValidationIssue(("memory", "long_term"), message)
    if definition.memory.recall:
        yield ValidationIssue(("memory", "recall"), f"long-term memory {_UNSUPPORTED}. Leave the key out, or write 0")
    if definition.limits.on_exhausted == "ask":
        yield ValidationIssue(("limits", "on_exhausted"), f"'ask' {_UNSUPPORTED}. Leave the key out, or write fail")
    for index, name in enumerate(definition.tools):
        if name.startswith(("mcp:", "agent:")):
            yield ValidationIssue(("tools", index), f"{name!r} {_UNSUPPORTED}: expected the name of a tool")


def named_models(definition: AgentDefinition) -> tuple[str, ...]:
    """Return the models that a definition names, in order."""
    if definition.model is None:
        return ()
    return (definition.model,) if isinstance(definition.model, str) else definition.model


def _model_issues(definition: AgentDefinition) -> Iterator[ValidationIssue]:
    if definition.model == ():
        yield ValidationIssue(("model",), "expected provider:name or a list of them, got an empty list")
    for index, model in enumerate(named_models(definition)):
        path = ("model",) if isinstance(definition.model, str) else ("model", index)
        try:
            split_model(model)
        except ConfigurationInvalid as error:
            yield ValidationIssue(path, str(error))


def _schema_issues(definition: AgentDefinition) -> Iterator[ValidationIssue]:
    if definition.output_schema is None:
        return
    try:
        check_schema(definition.output_schema)
    except ConfigurationInvalid as error:
        yield ValidationIssue(("output_schema",), str(error))


def _planner_issues(definition: AgentDefinition) -> Iterator[ValidationIssue]:
    if definition.planner is not None and (message := planner_error(definition.planner)):
        yield ValidationIssue(("planner",), message)


def planner_error(planner: str) -> str | None:
    """Return an error message about a planner's name; None if there is such a planner."""
    if planner in PLANNERS:
        return None
    return f"expected {' or '.join(PLANNERS)}, got {planner!r}.{did_you_mean(planner, PLANNERS)}"
