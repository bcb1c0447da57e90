"""``opspawn workers`` against a scripted API."""

from __future__ import annotations

import pytest

from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import JsonObject, ScriptedApi, ScriptedResponse

LISTED: JsonObject = {
    "deployment": "shop",
    "task_queue": "shop",
    "current": "v2",
    "versions": [
        {"build_id": "v2", "status": "current", "workers": 2, "tasks": 3},
        {"build_id": "v1", "status": "draining", "workers": 0, "tasks": 1, "task_ids": ["task-1"], "problem": "Gone."},
    ],
}


@pytest.mark.parametrize(
    ("arguments", "build_id"), [(("v2",), "v2"), (("--unversioned",), None)], ids=["version", "unversioned"]
)
def test_a_version_is_made_current_and_all_are_shown(
    api: ScriptedApi, opspawn: Opspawn, arguments: tuple[str, ...], build_id: str | None
) -> None:
    api.on("POST", "/workers/set-current", LISTED)

    result = opspawn("workers", "set-current", *arguments)

    assert [request.body for request in api.requests] == [{"build_id": build_id, "allow_no_workers": False}]
    assert [line.split()[:4] for line in result.out.splitlines()[1:]] == [
        ["v2", "current", "2", "3"],
        ["v1", "draining", "0", "1"],
    ]
    assert (result.code, result.err) == (0, "Gone.\n")


def test_deployments_are_shown_where_there_are_several(api: ScriptedApi, opspawn: Opspawn) -> None:
    versions: list[JsonObject] = [
        {"deployment": None, "build_id": None, "status": "inactive", "workers": 1},
        {"deployment": "shop", "build_id": "v1", "status": "current", "workers": 2, "tasks": 3},
    ]
    other: JsonObject = {"deployment": "opspawn/shop", "build_id": "v1", "status": "draining", "workers": 1, "tasks": 0}
    api.on("GET", "/workers", {**LISTED, "versions": [*versions]}, {**LISTED, "versions": [*versions, other]})

    one, two = opspawn("workers").out.splitlines(), opspawn("workers").out.splitlines()

    assert [line.split()[0] for line in one] == ["VERSION", "unversioned", "v1"]
    assert [line.split()[:2] for line in two] == [
        ["DEPLOYMENT", "VERSION"],
        ["unversioned", "inactive"],
        ["shop", "v1"],
        ["opspawn/shop", "v1"],
    ]


def test_a_version_or_unversioned_workers_must_be_named(opspawn: Opspawn) -> None:
    assert opspawn("workers", "set-current").code == 2
    assert opspawn("workers", "set-current", "v2", "--unversioned").code == 2


def test_a_drain_goes_on_while_tasks_move(api: ScriptedApi, opspawn: Opspawn) -> None:
    answers = ((1000, 500), (499, 1), (0, 1))
    responses = (ScriptedResponse(200, {"signalled": 0, "moved": moved, "remaining": left}) for moved, left in answers)
    api.on("POST", "/workers/drain", *responses)

    result = opspawn("workers", "drain", "v1", "--override")

    assert [request.body for request in api.requests] == [{"build_id": "v1", "override": True}] * 3
    assert result.out == "Moved 1499 tasks and conversations of version v1 to the current version.\n"
    assert result.err == "1 more are left: repeat the command later.\n"


def test_tasks_that_are_signalled_are_counted_once(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/workers/drain", {"signalled": 1, "moved": 0, "remaining": 0})

    result = opspawn("workers", "drain", "v1")

    assert len(api.requests) == 1
    assert result.out.startswith("Asked 1 task or conversation of version v1 to move")
