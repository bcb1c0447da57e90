"""No YAML file holds up the process that reads it, or fills its memory."""

from __future__ import annotations

import os
import string
from pathlib import Path

import pytest

from agentkit.catalog.agent_files import read_agent
from agentkit.errors import AgentInvalid
from agentkit.tools.host.tool_files import tool_paths

LAUGHS = "output_schema:\n  a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  {name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip(string.ascii_lowercase[:8], string.ascii_lowercase[1:9], strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(LAUGHS, r":6: more than 20,000 values", id="aliases of aliases"),
        pytest.param("output_schema: &a {x: *a}\n", r":1: output_schema", id="a cycle"),
        pytest.param("tools: [" + "a," * 25_000 + "b]\n", r":1: more than 20,000 values", id="a long list"),
        pytest.param(
            "output_schema:\n  const: 1" + ":59" * 50_000,
            r":2: an integer of 150,001 characters",
            id="an integer by 60s",
        ),
        pytest.param("instructions: " + "x" * 2_000_000, r"more than 1,048,576 bytes", id="a large file"),
    ],
)
def test_a_file_of_too_many_values_or_bytes_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(text)
    with pytest.raises(AgentInvalid, match=message):
        read_agent(path)


def test_aliases_of_reasonable_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("output_schema: {properties: {a: &text {type: string}, b: *text, c: *text}}\n")
    schema = read_agent(path).definition.output_schema
    assert schema == {"properties": {name: {"type": "string"} for name in "abc"}}


def test_pipes_and_devices_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    for name in ("pipe.yaml", "zero.yaml"):
        with pytest.raises(AgentInvalid, match="no regular file"):
            read_agent(tmp_path / name)


def test_pipes_and_devices_among_tool_files_are_left_out(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "good.py").write_text("import agentkit\n")
    os.mkfifo(tools / "pipe.py")
    (tools / "zero.py").symlink_to("/dev/zero")
    assert tool_paths(tmp_path) == [tools / "good.py"]
