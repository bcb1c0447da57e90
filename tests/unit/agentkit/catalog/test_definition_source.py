"""YAML files that people write: errors name file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentkit.catalog.definition_source import read_yaml
from agentkit.errors import ToolInvalid
from agentkit.validation.validation_messages import ValidationIssue


def test_an_error_is_of_the_readers_type_and_names_file_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: a\nparameters:\n  properties:\n    to:\n      type: text\n")
    data, source = read_yaml(path, ToolInvalid, example="name: a")
    error = source.error([ValidationIssue(("parameters", "properties", "to", "type"), "unknown")])
    assert data["name"] == "a"
    assert (type(error), str(error)) == (ToolInvalid, f"{path}:5: parameters.properties.to.type: unknown")


def test_what_is_no_mapping_names_an_example(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("- a\n")
    with pytest.raises(ToolInvalid, match="expected keys such as 'name: a', got list"):
        read_yaml(path, ToolInvalid, example="name: a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "3: a: given twice, first on line 1."),
        ("policy: [{tool: pay, then: deny, then: allow}]\n", "1: then: given twice, first on line 1."),
    ],
    ids=["on two lines", "on one line"],
)
def test_a_key_that_is_given_twice_is_an_error(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ToolInvalid) as raised:
        read_yaml(path, ToolInvalid, example="name: a")
    assert str(raised.value) == f"{path}:{expected}"
