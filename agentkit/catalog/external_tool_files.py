"""Read ``tools/*.yaml``: tools that workers of other programs serve, one tool a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints, ValidationError

from agentkit.catalog.definition_source import read_yaml
from agentkit.config.durations import Duration
from agentkit.errors import ConfigurationInvalid, ToolInvalid
from agentkit.schemas.schema_rules import check_schema
from agentkit.specs import Approval, Effect, ToolSpec
from agentkit.tools.external_tool import ExternalTool
from agentkit.tools.function_tool import TOOL_NAME_PATTERN
from agentkit.validation.validation_messages import ValidationIssue, did_you_mean, validation_issues

__all__ = ["ExternalToolDefinition", "external_tool_paths", "read_external_tool"]

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_NAME_RULE = "a letter, then letters, digits, '_', '-' or '.'; 64 at most"


class ExternalToolDefinition(BaseModel):
    """A tool as written in ``tools/NAME.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=rf"^{TOOL_NAME_PATTERN}$")]
    description: _Text
    """For the model: what the tool does, and when to use it."""
    task_queue: Annotated[_Text, StringConstraints(max_length=1000)]
    """The queue that the tool's worker polls."""
    parameters: dict[str, JsonValue] = {"additionalProperties": False}
    """JSON Schema of the arguments, an object. Without it the tool takes none."""
    effect: Effect = "irreversible"
    timeout: Duration = 60.0
    """Seconds that one attempt may take."""
    heartbeat: Duration | None = None
    """Seconds without a heartbeat after which the worker counts as lost. None: the worker need not heartbeat."""
    approval: Approval | None = None
    """Whether a person must approve each call; by effect where None."""


def external_tool_paths(app_dir: Path) -> Sequence[Path]:
    """Return the tool definitions of an app directory, sorted by name, without those that start with ``_`` or ``.``."""
    return sorted(
        path
        for path in (app_dir / "tools").glob("*.y*ml")
        if path.suffix in (".yaml", ".yml") and not path.name.startswith(("_", "."))
    )


def read_external_tool(path: Path) -> ExternalTool:
    """Read one file. A tool without a name has the name of its file.

    Raises:
        ToolInvalid: the message has the file, the line, the key, what was expected and the value.
    """
    data, source = read_yaml(path, ToolInvalid, example="task_queue: email")
    data = {"name": path.stem, **data}
    try:
        definition = ExternalToolDefinition.model_validate(data)
    except ValidationError as error:
        raise source.error(map(_explained, validation_issues(error, data))) from None
    parameters = {"type": "object", "properties": {}, **definition.parameters}
    if issues := list(_schema_issues(parameters)):
        raise source.error(issues)
    options = definition.model_dump(exclude={"parameters"})
    return ExternalTool(ToolSpec(**options, parameters=parameters, external=True))


def _explained(issue: ValidationIssue) -> ValidationIssue:
    if issue.path == ("name",):
        return ValidationIssue(issue.path, f"expected {_NAME_RULE}{issue.message[issue.message.rfind(', got ') :]}")
    if issue.error_type != "extra_forbidden":
        return issue
    known = ExternalToolDefinition.model_fields
    message = f"unknown key.{did_you_mean(str(issue.path[-1]), known)} Keys: {', '.join(known)}"
    return ValidationIssue(issue.path, message)


def _schema_issues(parameters: dict[str, JsonValue]) -> Iterator[ValidationIssue]:
    if parameters["type"] != "object":
        message = f"expected object: arguments have names, got {parameters['type']!r}"
        yield ValidationIssue(("parameters", "type"), message)
        return
    try:
        check_schema(parameters)
    except ConfigurationInvalid as error:
        yield ValidationIssue(("parameters",), str(error))
