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
from agentkit.runtime.structured_output import check_schema
from agentkit.specs import AgentDefinition, ApprovalRule, Limits, MemorySettings, ModelSettings
from agentkit.validation_messages import Fault, did_you_mean, faults

__all__ = [
    "AgentFile",
    "Source",
    "definition_faults",
    "models_of",
    "planner_fault",
    "read_agent",
    "with_rules",
]

_LATER = "is not in this release"
_KEYS = {
    "approvals": ApprovalRule.model_fields,
    "limits": Limits.model_fields,
    "memory": MemorySettings.model_fields,
    "model_settings": ModelSettings.model_fields,
}
_NAME_RULE = "a letter, then letters, digits, '_' or '-'; 64 at most"


@dataclass(frozen=True)
class Source:
    """Where a definition was written, so that errors can say so."""

    name: str
    """A file, or what else to call it."""
    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)
    """The line of each key and list item, from 1."""

    def error(self, found: Iterable[Fault]) -> AgentInvalid:
        """Return an error that tells of all the faults, one a line."""
        placed = sorted(((self._line(fault.path), fault) for fault in found), key=lambda pair: pair[0])
        return AgentInvalid(
            "\n".join(f"{self.name}{f':{line}' if line else ''}: {fault.key}: {fault.text}" for line, fault in placed)
        )

    def _line(self, path: tuple[str | int, ...]) -> int:
        """Return the line where the path, or as much of it as was written, stands; 0: nowhere."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


@dataclass(frozen=True)
class AgentFile:
    """A definition, and where it was written."""

    definition: AgentDefinition
    source: Source


def read_agent(path: Path) -> AgentFile:
    """Read one file. The agent's name is the file's, where the file gives none.

    Raises:
        AgentInvalid: names the file, the line, the key, what was expected and what was got.
    """
    try:
        node, data = _yaml(path)
    except OSError as error:
        raise AgentInvalid(f"{path}: can't be read ({error.strerror}).") from error
    lines = dict(_lines(node))
    source = Source(str(path), lines)
    if not isinstance(data, dict):
        raise AgentInvalid(f"{path}: expected keys such as 'instructions: ...', got {type(data).__name__}.")
    data = {"name": path.stem, **data}
    try:
        definition = AgentDefinition.model_validate(data)
    except ValidationError as error:
        raise source.error(map(with_rules, faults(error, data))) from None
    if found := definition_faults(definition):
        raise source.error(found)
    return AgentFile(definition, source)


def _yaml(path: Path) -> tuple[yaml.Node, object]:
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
        here = pending.pop()
        if id(here) in seen:  # an alias, perhaps of what it stands in
            continue
        seen.add(id(here))
        if isinstance(here, yaml.SequenceNode):
            pending += here.value
        if not isinstance(here, yaml.MappingNode):
            continue
        first: dict[str, int] = {}
        for key, value in here.value:
            pending.append(value)
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and first.setdefault(key.value, line) != line:
                raise AgentInvalid(f"{path}:{line}: {key.value}: given twice, first on line {first[key.value]}.")


def _lines(
    node: yaml.Node, path: tuple[str | int, ...] = (), depth: int = 4
) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Yield the line of each key and item; no definition goes deeper than ``depth``."""
    if depth == 0:
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), key.start_mark.line + 1
            yield from _lines(value, (*path, key.value), depth - 1)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            yield (*path, place), value.start_mark.line + 1
            yield from _lines(value, (*path, place), depth - 1)


def with_rules(fault: Fault) -> Fault:
    """Add what keys there are, where one is unknown, and what a name may be."""
    if fault.path == ("name",):
        return Fault(fault.path, f"expected {_NAME_RULE}{fault.text[fault.text.rfind(', got ') :]}")
    if fault.kind != "extra_forbidden":
        return fault
    *parents, key = fault.path
    known = _KEYS.get(str(parents[0]), AgentDefinition.model_fields) if parents else AgentDefinition.model_fields
    return Fault(fault.path, f"unknown key.{did_you_mean(str(key), known)} Keys: {', '.join(known)}")


def definition_faults(definition: AgentDefinition) -> list[Fault]:
    """Return what is wrong with a definition in itself, or isn't built yet; not whether its tools exist."""
    found = [
        *_unbuilt(definition),
        *_model_faults(definition),
        *_schema_faults(definition),
        *(
            Fault(("tools", place), f"{name!r} {_LATER}: expected the name of a tool")
            for place, name in enumerate(definition.tools)
            if name.startswith(("mcp:", "agent:"))
        ),
    ]
    text = planner_fault(definition.planner) if definition.planner is not None else None
    return [*found, Fault(("planner",), text)] if text else found


def _unbuilt(definition: AgentDefinition) -> Iterator[Fault]:
    if definition.memory.long_term:
        yield Fault(("memory", "long_term"), f"long-term memory {_LATER}. Leave the key out, or write false")
    if definition.memory.recall:
        yield Fault(("memory", "recall"), f"long-term memory {_LATER}. Leave the key out, or write 0")
    if definition.limits.on_exhausted == "ask":
        yield Fault(("limits", "on_exhausted"), f"'ask' {_LATER}. Leave the key out, or write fail")


def models_of(definition: AgentDefinition) -> tuple[str, ...]:
    """Return the models that a definition names, in order."""
    if definition.model is None:
        return ()
    return (definition.model,) if isinstance(definition.model, str) else definition.model


def _model_faults(definition: AgentDefinition) -> Iterator[Fault]:
    if definition.model == ():
        yield Fault(("model",), "expected provider:name or a list of them, got an empty list")
    for place, model in enumerate(models_of(definition)):
        path = ("model",) if isinstance(definition.model, str) else ("model", place)
        try:
            split_model(model)
        except ConfigurationInvalid as error:
            yield Fault(path, str(error))


def _schema_faults(definition: AgentDefinition) -> Iterator[Fault]:
    if definition.output_schema is None:
        return
    try:
        check_schema(definition.output_schema)
    except ConfigurationInvalid as error:
        yield Fault(("output_schema",), str(error))


def planner_fault(planner: str) -> str | None:
    """Return what is wrong with a planner's name; None: nothing."""
    if planner in PLANNERS:
        return None
    return f"expected {' or '.join(PLANNERS)}, got {planner!r}.{did_you_mean(planner, PLANNERS)}"
