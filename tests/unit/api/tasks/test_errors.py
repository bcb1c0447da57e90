from __future__ import annotations

import pytest

from api.tasks.errors import FieldIssue, RequestInvalid, ServiceError, TaskNotFound, first_of_issues
from tests.unit.api.service_errors import SERVICE_ERRORS


def test_every_class_of_the_tree_is_among_the_tested_errors() -> None:
    assert {type(error) for error in SERVICE_ERRORS} == set(ServiceError.__subclasses__())


@pytest.mark.parametrize(
    ("issues", "text"),
    [
        ([("input", "Empty")], "input: Empty"),
        ([("", "Give an agent")], "Give an agent"),
        ([("tags[0]", "Too long"), ("input", "Empty"), ("user", "Empty")], "tags[0]: Too long (2 more)"),
    ],
    ids=["one", "request", "several"],
)
def test_the_text_of_several_issues_is_the_first_one_and_a_count(issues: list[tuple[str, str]], text: str) -> None:
    assert first_of_issues(issues) == text


def test_an_invalid_request_names_the_path_in_its_text() -> None:
    assert str(RequestInvalid(FieldIssue(("input", 0, "text"), "Empty"))) == "input.0.text: Empty"


def test_a_long_id_is_cut_in_the_text() -> None:
    assert len(str(TaskNotFound("x" * 10_000))) < 120
