"""Errors as rich statuses, and what may be imported from ``google``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc import StatusCode

from api.grpc.status_mapping import RequestInvalid, status_of
from api.tasks.errors import FrontEndError, TaskNotFound, TaskRefused, TemporalUnreachable

ROOT = Path(__file__).parents[4]


def kinds(kind: type[FrontEndError]) -> Iterator[type[FrontEndError]]:
    for one in kind.__subclasses__():
        yield one
        yield from kinds(one)


@pytest.mark.parametrize("kind", list(kinds(FrontEndError)), ids=lambda kind: kind.__name__)
def test_every_error_of_the_front_end_has_a_status(kind: type[FrontEndError]) -> None:
    error = kind.__new__(kind)
    error.args = ("Why.",)
    error.__dict__.update(field="agent", violations=[("agent", "Why.")])
    status, info = status_of(error), ErrorInfo()
    assert status.code not in (StatusCode.OK.value[0], StatusCode.UNKNOWN.value[0])
    assert status.message == "Why."
    assert status.details[0].Unpack(info)
    assert info.reason.replace("_", "") == kind.__name__.upper()


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        pytest.param(TaskNotFound("t1"), StatusCode.NOT_FOUND, "TASK_NOT_FOUND", id="unknown"),
        pytest.param(TemporalUnreachable("t:7233", "x"), StatusCode.UNAVAILABLE, "TEMPORAL_UNREACHABLE", id="away"),
        pytest.param(TaskRefused("No.", field="model"), StatusCode.INVALID_ARGUMENT, "TASK_REFUSED", id="refused"),
    ],
)
def test_the_reason_is_the_last_part_of_the_problem_s_type(error: FrontEndError, code: StatusCode, reason: str) -> None:
    status, info = status_of(error), ErrorInfo()
    status.details[0].Unpack(info)
    assert (status.code, info.reason, info.domain) == (code.value[0], reason, "opspawn")


def test_each_wrong_field_is_named() -> None:
    status, bad = status_of(RequestInvalid(("tags[0]", "Too long"), ("input", "Empty"))), BadRequest()
    assert status.message == "tags[0]: Too long (1 more)"
    assert status.details[1].Unpack(bad)
    assert [(one.field, one.description) for one in bad.field_violations] == [
        ("tags[0]", "Too long"),
        ("input", "Empty"),
    ]


def imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module, names):
            return [f"{module}.{alias.name}" for alias in names]
    return []


def test_of_google_the_front_end_imports_protobuf_alone() -> None:
    trees = [ast.parse(path.read_text()) for path in (ROOT / "api").rglob("*.py")]
    names = {name for tree in trees for node in ast.walk(tree) for name in imported(node) if name.startswith("google.")}
    assert "google.rpc.status_pb2.Status" in names
    assert {name for name in names if not name.startswith(("google.protobuf.", "google.rpc."))} == set()
