from __future__ import annotations

import ast
from pathlib import Path

import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc import StatusCode, aio

from agentkit.errors import (
    AlreadyAnswered,
    AnswerExpired,
    AnswerInvalid,
    AnswerMismatch,
    AnswerNotAllowed,
    AnswerOutdated,
    InputRequestNotFound,
)
from api.grpc.status_mapping import error_status, errors_as_status, field_path
from api.proto.opspawn.v1 import tasks_pb2
from api.proto.opspawn.v1.tasks_pb2_grpc import (
    TaskServiceServicer,
    TaskServiceStub,
    add_TaskServiceServicer_to_server,
)
from api.tasks.errors import (
    AnswerRefused,
    FieldIssue,
    RequestInvalid,
    ServiceError,
    SteeringRefused,
    TaskNotFound,
    TaskRefused,
    TemporalUnreachable,
)
from tests.unit.api.grpc.status_details import reason_of, violations_of
from tests.unit.api.service_errors import SERVICE_ERRORS

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("error", SERVICE_ERRORS, ids=lambda error: type(error).__name__)
def test_every_service_error_has_a_code_and_its_text(error: ServiceError) -> None:
    status = error_status(error)
    assert status.code not in (StatusCode.OK.value[0], StatusCode.UNKNOWN.value[0])
    assert status.message == str(error)


VERDICTS: tuple[tuple[type[AnswerInvalid], StatusCode, str], ...] = (
    (InputRequestNotFound, StatusCode.NOT_FOUND, "INPUT_REQUEST_NOT_FOUND"),
    (AlreadyAnswered, StatusCode.FAILED_PRECONDITION, "ALREADY_ANSWERED"),
    (AnswerExpired, StatusCode.FAILED_PRECONDITION, "ANSWER_EXPIRED"),
    (AnswerNotAllowed, StatusCode.PERMISSION_DENIED, "ANSWER_NOT_ALLOWED"),
    (AnswerOutdated, StatusCode.FAILED_PRECONDITION, "ANSWER_OUTDATED"),
    (AnswerMismatch, StatusCode.INVALID_ARGUMENT, "ANSWER_MISMATCH"),
)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        pytest.param(TaskNotFound("t1"), StatusCode.NOT_FOUND, "TASK_NOT_FOUND", id="unknown"),
        pytest.param(TemporalUnreachable("t:7233", "x"), StatusCode.UNAVAILABLE, "TEMPORAL_UNREACHABLE", id="away"),
        pytest.param(SteeringRefused("No."), StatusCode.INVALID_ARGUMENT, "STEERING_REFUSED", id="steering"),
        pytest.param(TaskRefused("No.", path=("model",)), StatusCode.INVALID_ARGUMENT, "TASK_REFUSED", id="refused"),
    ],
)
def test_an_error_has_the_code_and_the_reason_of_the_reference(
    error: ServiceError, code: StatusCode, reason: str
) -> None:
    status = error_status(error)
    assert (status.code, reason_of(status)) == (code.value[0], reason)


@pytest.mark.parametrize(("verdict", "code", "reason"), VERDICTS)
def test_a_refused_answer_has_the_code_and_the_reason_of_its_verdict(
    verdict: type[AnswerInvalid], code: StatusCode, reason: str
) -> None:
    status = error_status(AnswerRefused("No.", verdict))
    assert (status.code, reason_of(status)) == (code.value[0], reason)


def test_every_verdict_on_an_answer_is_tested() -> None:
    assert {verdict for verdict, _, _ in VERDICTS} == set(AnswerInvalid.__subclasses__())


def test_each_wrong_field_is_named_by_its_path_in_the_proto() -> None:
    status = error_status(RequestInvalid(FieldIssue(("tags", 0), "Too long"), FieldIssue(("input",), "Empty")))
    assert status.message == "tags[0]: Too long (1 more)"
    assert violations_of(status) == {"tags[0]": "Too long", "input": "Empty"}


def test_an_unreachable_temporal_is_worth_a_retry() -> None:
    status, retry = error_status(TemporalUnreachable("t:7233", "x")), RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    assert retry.retry_delay.seconds > 0


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ((), ""),
        (("agent",), "agent"),
        (("limits", "max_steps"), "limits.max_steps"),
        (("tags", 1), "tags[1]"),
        (("metadata", "4711"), "metadata.4711"),
        (("input",), "input"),
        (("input", 1), "input.parts[1]"),
        (("input", 0, "text"), "input.parts[0].text"),
        (("input", 0, "url"), "input.parts[0].image.url"),
        (("input", 0, "uri"), "input.parts[0].resource.uri"),
        (("input", "prompt"), "input.prompt.prompt"),
        (("input", "arguments", "change"), "input.prompt.arguments.change"),
    ],
)
def test_a_field_path_leads_through_the_messages_of_the_proto(path: tuple[str | int, ...], field: str) -> None:
    assert field_path(path) == field


class BrokenServicer(TaskServiceServicer):
    """Fails as no servicer should."""

    async def GetTask(
        self,
        request: tasks_pb2.GetTaskRequest,
        context: aio.ServicerContext[tasks_pb2.GetTaskRequest, tasks_pb2.GetTaskResponse],
    ) -> tasks_pb2.GetTaskResponse:
        async with errors_as_status(context):
            raise ZeroDivisionError("secret")


async def test_an_unexpected_error_has_an_id_that_the_log_has_too(caplog: pytest.LogCaptureFixture) -> None:
    server = aio.server()
    add_TaskServiceServicer_to_server(BrokenServicer(), server)  # type: ignore[abstract]  # only GetTask is called
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        with pytest.raises(aio.AioRpcError) as raised:
            await TaskServiceStub(channel).GetTask(tasks_pb2.GetTaskRequest())
    await server.stop(0)
    details = raised.value.details() or ""
    assert raised.value.code() is StatusCode.INTERNAL
    assert "secret" not in details
    assert details.split()[-1].rstrip(".") in caplog.text
    assert "ZeroDivisionError" in caplog.text


def imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module, names):
            return [f"{module}.{alias.name}" for alias in names]
    return []


def test_the_api_imports_only_protobuf_from_google() -> None:
    trees = [ast.parse(path.read_text()) for path in (ROOT / "api").rglob("*.py")]
    names = {name for tree in trees for node in ast.walk(tree) for name in imported(node) if name.startswith("google.")}
    assert "google.rpc.status_pb2.Status" in names
    assert {name for name in names if not name.startswith(("google.protobuf.", "google.rpc."))} == set()
