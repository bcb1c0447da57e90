from __future__ import annotations

from collections.abc import Mapping

import pytest

from agentkit.messages import FilePart, ImagePart, InputPart, TextPart
from api.tasks.errors import RequestInvalid
from api.tasks.requests.content_input import ResourceInput, message_part
from api.tasks.requests.request_validation import parse_request
from api.tasks.requests.task_requests import NewTask, TaskListRequest

VALID = {"agent": "assistant", "input": "Hello"}


def contents(task: NewTask) -> tuple[InputPart, ...]:
    assert isinstance(task.input, list)
    return tuple(message_part(part) for part in task.input if not isinstance(part, ResourceInput))


def paths(kind: type[NewTask] | type[TaskListRequest], data: Mapping[str, object]) -> list[tuple[str | int, ...]]:
    with pytest.raises(RequestInvalid) as raised:
        parse_request(kind, data)
    return [issue.path for issue in raised.value.issues]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"typo": 1}, ("typo",)),
        ({"input": " "}, ("input",)),
        ({"input": [{"type": "text"}]}, ("input", 0, "text")),
        ({"input": [{"type": "text", "text": "a", "typo": 1}]}, ("input", 0, "typo")),
        ({"input": [{"type": "image", "data": "x"}]}, ("input", 0, "data")),
        ({"input": [{"type": "image", "data": "iVBO?Rw==", "media_type": "image/png"}]}, ("input", 0, "data")),
        ({"input": [{"type": "image", "data": "iVBORw==", "media_type": ""}]}, ("input", 0)),
        ({"input": [{"type": "resource", "server": "notes"}]}, ("input", 0, "uri")),
        ({"input": [{"type": "resource", "uri": "a:b", "server": "no/tes"}]}, ("input", 0, "server")),
        ({"input": {"prompt": "review"}}, ("input", "prompt")),
        ({"input": {"prompt": "notes/review", "arguments": {"change": 1}}}, ("input", "arguments", "change")),
        ({"input": {"arguments": {}}}, ("input", "prompt")),
        ({"input": {"prompt": "notes/review", "typo": 1}}, ("input", "typo")),
        ({"agent_spec": {"name": "a"}}, ()),
        ({"limits": {"max_cost_usd": float("inf")}}, ("limits", "max_cost_usd")),
        ({"limits": {"max_steps": True}}, ("limits", "max_steps")),
        ({"limits": {"max_tokens": "5"}}, ("limits", "max_tokens")),
        ({"limits": {"typo": 1}}, ("limits", "typo")),
        ({"tags": ["a", "b'"]}, ("tags", 1)),
        ({"metadata": {"k" * 65: ""}}, ("metadata", "k" * 65)),
        ({"metadata": {"k": "v" * 1025}}, ("metadata", "k")),
        ({"user": "a\n"}, ("user",)),
        ({"conversation_id": "c"}, ("conversation_id",)),
    ],
)
def test_the_path_of_an_issue_leads_to_the_field(fields: Mapping[str, object], path: tuple[str | int, ...]) -> None:
    assert paths(NewTask, {**VALID, **fields}) == [path]


def test_base64_may_be_in_lines() -> None:
    image = {"type": "image", "data": "iVBO\r\nRw==\n", "media_type": "image/png"}
    task = parse_request(NewTask, {**VALID, "input": [image]})
    assert contents(task) == (ImagePart(data=b"iVBORw==", media_type="image/png"),)


def test_an_issue_does_not_repeat_the_value() -> None:
    with pytest.raises(RequestInvalid) as raised:
        parse_request(NewTask, {**VALID, "user": "secret\n"})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"limit": 201}, ("limit",)),
        ({"status": ["done"]}, ("status", 0)),
        ({"tag": "a'"}, ("tag",)),
        ({"created_after": "2026-11-21T00:00:00"}, ("created_after",)),
    ],
)
def test_filters_have_rules_too(fields: Mapping[str, object], path: tuple[str | int, ...]) -> None:
    assert paths(TaskListRequest, fields) == [path]


def test_only_the_limits_that_the_request_sets_are_changes() -> None:
    assert NewTask.model_validate(VALID).limit_changes == {}
    task = NewTask.model_validate({**VALID, "limits": {"max_steps": 30, "deadline": "1m"}})
    assert task.limit_changes == {"max_steps": 30, "deadline": 60.0}


def test_content_parts_become_those_of_messages() -> None:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image", "data": "iVBO", "media_type": "image/png"}]
    content = contents(NewTask.model_validate({**VALID, "input": parts}))
    assert content == (TextPart(text="What is this?"), ImagePart(data=b"iVBO", media_type="image/png"))
    assert [type(part) for part in content] == [TextPart, ImagePart]


def test_a_file_becomes_a_part() -> None:
    part = {"type": "file", "data": "JVBE", "media_type": "application/pdf", "name": "a.pdf"}
    content = contents(NewTask.model_validate({**VALID, "input": [part]}))
    assert content == (FilePart(data=b"JVBE", media_type="application/pdf", name="a.pdf"),)
    assert type(content[0]) is FilePart


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"data": "no base64!"}, ("input", 0, "data")),
        ({"data": None}, ("input", 0, "data")),
        ({"media_type": "pdf"}, ("input", 0, "media_type")),
        ({"name": "../a"}, ("input", 0, "name")),
        ({"name": "a\nb"}, ("input", 0, "name")),
        ({"name": "a\n"}, ("input", 0, "name")),
        ({"url": "https://example.org/a.pdf"}, ("input", 0, "url")),
        ({"data": "/w==", "media_type": "text/plain"}, ("input", 0)),
    ],
)
def test_a_wrong_file_is_refused_with_the_path_of_the_cause(
    fields: Mapping[str, object], path: tuple[str | int, ...]
) -> None:
    file = {"type": "file", "data": "JVBE", "media_type": "application/pdf"}
    assert paths(NewTask, {**VALID, "input": [{**file, **fields}]}) == [path]


def test_what_is_wrong_with_a_file_is_said_in_words() -> None:
    file = {"type": "file", "data": "JVBE", "media_type": "pdf", "name": "a/b"}
    with pytest.raises(RequestInvalid) as raised:
        parse_request(NewTask, {**VALID, "input": [file]})
    assert [issue.text for issue in raised.value.issues] == [
        "Expected a media type such as application/pdf",
        "Expected a file name such as invoice.pdf, without directories and control characters",
    ]


def test_repeated_tags_count_once_and_keep_their_order() -> None:
    assert NewTask.model_validate({**VALID, "tags": ["b", "a", "b"]}).unique_tags == ("b", "a")
