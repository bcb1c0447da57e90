"""Read agent definitions: ``agents/*.yaml``, with errors that name file, line and key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from agentkit.catalog.definition_source import DefinitionSource, read_yaml
from agentkit.catalog.policy_checks import policy_issues
from agentkit.config.providers import split_model
from agentkit.errors import AgentInvalid, ConfigurationInvalid
from agentkit.planners import PLANNERS
from agentkit.policy_rules import REPLACED_KEYS, Condition, PolicyRule
from agentkit.schemas.schema_rules import check_schema
from agentkit.specs import AgentDefinition, CompactionSettings, Limits, McpAgentSettings, MemorySettings, ModelSettings
from agentkit.validation.validation_messages import ValidationIssue, did_you_mean, validation_issues

__all__ = [
    "AgentFile",
    "definition_issues",
    "explain_issue",
    "named_models",
    "planner_error",
    "read_agent",
    "resolved_compaction",
]

_UNSUPPORTED = "is not in this release"
_KNOWN_KEYS: Mapping[str, type[BaseModel]] = {
    "compaction": CompactionSettings,
    "limits": Limits,
    "mcp": McpAgentSettings,
    "memory": MemorySettings,
    "model_settings": ModelSettings,
    "policy": PolicyRule,
}
_NAME_RULE = "a letter, then letters, digits, '_' or '-'; 64 at most"


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
    data, source = read_yaml(path, AgentInvalid, example="instructions: ...")
    data = {"name": path.stem, **data}
    try:
        definition = AgentDefinition.model_validate(data)
    except ValidationError as error:
        raise source.error(map(explain_issue, validation_issues(error, data))) from None
    if issues := definition_issues(definition):
        raise source.error(issues)
    return AgentFile(definition, source)


def _record_at(path: Sequence[str | int]) -> type[BaseModel]:
    """Return the type of the record that a definition has at the path."""
    if not path:
        return AgentDefinition
    return Condition if "if" in path[1:] else _KNOWN_KEYS.get(str(path[0]), AgentDefinition)


def _keys(record: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in record.model_fields.items()]


def explain_issue(issue: ValidationIssue) -> ValidationIssue:
    """Return the issue with the known keys in its message, if a key is unknown, or the rule for names."""
    if issue.path == ("name",):
        return ValidationIssue(issue.path, f"expected {_NAME_RULE}{issue.message[issue.message.rfind(', got ') :]}")
    if issue.error_type != "extra_forbidden":
        return issue
    *parents, key = issue.path
    if not parents and key in REPLACED_KEYS:
        return ValidationIssue(issue.path, REPLACED_KEYS[str(key)])
    known = _keys(_record_at(parents))
    message = f"unknown key.{did_you_mean(str(key), known)} Keys: {', '.join(known)}"
    return ValidationIssue(issue.path, message)


def definition_issues(definition: AgentDefinition) -> list[ValidationIssue]:
    """Return what is wrong or unsupported in a definition, without a look at the tools that exist."""
    return [
        *_unsupported_features(definition),
        *_model_issues(definition),
        *_compaction_issues(definition),
        *_schema_issues(definition),
        *_planner_issues(definition),
        *policy_issues(definition.policy),
    ]


def _unsupported_features(definition: AgentDefinition) -> Iterator[ValidationIssue]:
    for index, name in enumerate(definition.tools):
        if name.startswith("agent:"):
            yield ValidationIssue(("tools", index), f"{name!r} {_UNSUPPORTED}: expected the name of a tool")


def named_models(definition: AgentDefinition) -> tuple[str, ...]:
    """Return the models that a definition names, in order."""
    if definition.model is None:
        return ()
    return (definition.model,) if isinstance(definition.model, str) else definition.model


def resolved_compaction(definition: AgentDefinition) -> CompactionSettings | None:
    """Return how an agent's transcripts are shortened, its model as ``provider:name``; None: by the defaults."""
    compaction = definition.compaction
    if compaction.model is not None:
        compaction = compaction.model_copy(update={"model": ":".join(split_model(compaction.model))})
    return None if compaction == CompactionSettings() else compaction


def _compaction_issues(definition: AgentDefinition) -> Iterator[ValidationIssue]:
    if definition.compaction.model is None:
        return
    try:
        split_model(definition.compaction.model)
    except ConfigurationInvalid as error:
        yield ValidationIssue(("compaction", "model"), str(error))


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
