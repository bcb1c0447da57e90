"""Documents are read as JSON, in bounded size, and their references are followed."""

from __future__ import annotations

import pytest
import yaml

from agentkit.openapi.openapi_document import OpenApiDocument, OpenApiIssue, plain_json

DOCUMENT = OpenApiDocument({"a": {"b/c": [{"$ref": "#/d"}]}, "d": {"x": 1}, "loop": {"$ref": "#/loop"}}, is_v30=False)


def test_keys_and_dates_of_yaml_are_text() -> None:
    data = yaml.safe_load("{200: 2026-11-26, yes: [2026-11-26T10:00:00Z, 1.5, null]}")
    assert plain_json(data) == {"200": "2026-11-26", "true": ["2026-11-26T10:00:00+00:00", 1.5, None]}


def test_aliases_can_not_multiply_a_document_without_an_end() -> None:
    levels = [f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]" for level in range(1, 9)]
    data = yaml.safe_load("\n".join(["l0: &l0 [1]", *levels]))
    with pytest.raises(ValueError, match="too large: 500,000 values at most"):
        plain_json(data)


def test_a_document_that_contains_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        plain_json(yaml.safe_load("&a {b: *a}"))


def test_references_lead_through_lists_and_escaped_keys() -> None:
    assert DOCUMENT.resolve({"$ref": "#/a/b~1c/0"}, ()) == {"x": 1}


@pytest.mark.parametrize("reference", ["#/a/none", "#/a/b~1c/7", "#/loop", "#/d/x", "https://example.com/a.yaml#/a"])
def test_a_reference_to_no_object_of_the_document_is_an_error(reference: str) -> None:
    with pytest.raises(OpenApiIssue):
        DOCUMENT.resolve({"$ref": reference}, ("here",))
