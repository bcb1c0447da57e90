"""``tools/*.yaml``: what may be written, and errors that name file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit.catalog.external_tool_files import ExternalToolDefinition, external_tool_paths, read_external_tool
from agentkit.errors import ToolError, ToolInvalid, ToolNotServed
from agentkit.runtime.calls.tool_invocation import invoke_tool, tool_context

REQUIRED = "description: Sends an email.\ntask_queue: email\n"


def write(tmp_path: Path, text: str, name: str = "send_email.yaml") -> Path:
    path = tmp_path / "tools" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_with_the_required_keys_is_an_irreversible_tool_without_arguments_and_heartbeats(
    tmp_path: Path,
) -> None:
    spec = read_external_tool(write(tmp_path, REQUIRED)).spec
    assert (spec.name, spec.description, spec.task_queue) == ("send_email", "Sends an email.", "email")
    assert (spec.effect, spec.timeout, spec.heartbeat, spec.approval) == ("irreversible", 60, None, None)
    assert spec.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert spec.external


def test_every_key_reaches_the_spec(tmp_path: Path) -> None:
    text = (
        "name: mail.send\n" + REQUIRED + "effect: idempotent\ntimeout: 5m\nheartbeat: 10s\napproval: never\n"
        "parameters:\n  properties:\n    to: {type: string, format: email}\n  required: [to]\n"
    )
    spec = read_external_tool(write(tmp_path, text)).spec
    assert (spec.name, spec.effect, spec.timeout, spec.heartbeat) == ("mail.send", "idempotent", 300, 10)
    assert spec.approval == "never"
    assert spec.parameters == {
        "type": "object",
        "properties": {"to": {"type": "string", "format": "email"}},
        "required": ["to"],
    }
    assert set(ExternalToolDefinition.model_fields) <= set(type(spec).model_fields)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("description: Sends.\n", ": task_queue: required, but missing", id="no task queue"),
        pytest.param("task_queue: email\n", ": description: required, but missing", id="no description"),
        pytest.param(
            REQUIRED + "timout: 3s\n", ":3: timout: unknown key. Did you mean 'timeout'? Keys: name,", id="unknown key"
        ),
        pytest.param(REQUIRED + "effect: none\n", ":3: effect: expected 'pure', 'idempotent' or 'irr", id="effect"),
        pytest.param(REQUIRED + "timeout: soon\n", ":3: timeout: expected a duration such as 30s", id="timeout"),
        pytest.param(REQUIRED + "heartbeat: 0\n", ":3: heartbeat: expected greater than 0", id="heartbeat"),
        pytest.param(REQUIRED + "name: 1st\n", ":3: name: expected a letter, then letters, digits", id="name"),
        pytest.param("description: Sends.\ntask_queue: ' '\n", ":2: task_queue: must have at least", id="blank queue"),
        pytest.param(
            REQUIRED + "parameters:\n  type: array\n", ":4: parameters.type: expected object: arguments", id="no object"
        ),
        pytest.param(
            REQUIRED + "parameters:\n  properties:\n    to: {type: text}\n",
            ":3: parameters: no JSON Schema: at $.properties.to.type: 'text'",
            id="no JSON Schema",
        ),
        pytest.param(
            REQUIRED + "parameters:\n  properties:\n    to: {$ref: 'https://example.com/to.json'}\n",
            ":3: parameters: refers to 'https://example.com/to.json', which isn't in it",
            id="another document",
        ),
        pytest.param(
            REQUIRED + "parameters:\n  properties:\n    day: {default: 2026-01-01}\n",
            ":5: parameters.properties.day.default: ",
            id="a date, which JSON lacks",
        ),
        pytest.param("- a\n", ": expected keys such as 'task_queue: email', got list.", id="a list"),
        pytest.param("", ": the file is empty. Write at least 'task_queue: email'.", id="empty"),
        pytest.param("a: [\n", ":2: no valid YAML: ", id="no YAML"),
        pytest.param("task_queue: a\ntask_queue: b\n", ":2: task_queue: given twice, first on line 1.", id="twice"),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ToolInvalid) as raised:
        read_external_tool(path)
    assert str(raised.value).startswith(f"{path}{message}")


def test_files_that_start_with_an_underscore_or_a_dot_are_left_out(tmp_path: Path) -> None:
    for name in ("_draft.yaml", ".swap.yaml", "b.yml", "a.yaml", "c.ysml"):
        write(tmp_path, REQUIRED, name)
    assert [path.name for path in external_tool_paths(tmp_path)] == ["a.yaml", "b.yml"]


async def test_a_call_here_is_refused_with_what_serves_the_tool(tmp_path: Path) -> None:
    external = read_external_tool(write(tmp_path, REQUIRED))
    context = tool_context("t", "c", 1)
    expected = "served by another program: a worker of task queue 'email' that registers the activity type 'tool.send_"
    with pytest.raises(ToolNotServed, match=expected):
        await invoke_tool(external, {}, context)
    with pytest.raises(ToolError, match=expected):
        await external.call({}, context)
