"""Forks of conversations over REST: from a turn, independent of their source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from activities.temporal.payload_storage import payload_directory
from tests.integration.api.clerk import problem_of
from tests.integration.api.conftest import ApiHarness, eventually
from tests.integration.api.gated_model import GatedModel
from tests.integration.api.talks import Talks, accepted


@pytest.fixture
def talks(harness: ApiHarness) -> Talks:
    """Conversations in the API of a test, with no worker yet."""
    return Talks(harness)


async def test_a_fork_goes_on_from_its_turn_and_outlives_its_source(talks: Talks) -> None:
    async with talks.worker():
        source = await talks.create(user="ada", tags=["a"], title="A trip", model="demo:other", on_busy="enqueue")
        for text in ("One", "Two", "Three"):
            await talks.say(source, text)
        response = await talks.request("POST", f"/{source['id']}/fork", from_turn=2, title="Another")
        fork = accepted(response, 201)
        common = await talks.texts(fork)
        turn = await talks.say(fork, "Four")
        accepted(await talks.request("DELETE", f"/{source['id']}"), 202)
        later = await talks.say(fork, "Five")
        shown = await talks.get(fork)
        texts = await talks.texts(fork)
        numbers = [listed["number"] for listed in await talks.turns(fork)]
    assert response.headers["location"] == f"/api/v1/conversations/{fork['id']}"
    assert fork["forked_from"] == shown["forked_from"] == {"conversation_id": source["id"], "turn": 2}
    assert (fork["title"], fork["user"], fork["tags"]) == ("Another", "ada", ["a"])
    assert (fork["model"], fork["on_busy"], fork["turns"]) == ("demo:other", "enqueue", 2)
    assert turn["output"] == "One / Two / Four"
    assert later["output"] == "One / Two / Four / Five"
    assert common == ["One", "One", "Two", "One / Two"]
    assert texts == [*common, "Four", turn["output"], "Five", later["output"]]
    assert (numbers, shown["turns"]) == ([3, 4], 4)


async def test_a_fork_whose_source_is_deleted_at_once_reads_completely(talks: Talks) -> None:
    async with talks.worker():
        source = await talks.create()
        for text in ("One", "Two"):
            await talks.say(source, text)
        fork = accepted(await talks.request("POST", f"/{source['id']}/fork", from_turn=2), 201)
        accepted(await talks.request("DELETE", f"/{source['id']}"), 202)
        await eventually(lambda: stored(talks, source), lambda files: not files)
    async with talks.worker():  # it has read nothing yet
        assert await talks.texts(fork) == ["One", "One", "Two", "One / Two"]
        turn = await talks.say(fork, "Three")
    assert turn["output"] == "One / Two / Three"


async def stored(talks: Talks, conversation: dict[str, Any]) -> list[Path]:
    """Return the files of what a conversation has stored."""
    payloads = talks.api.settings.data_dir / "payloads"
    return [*(payloads / payload_directory(talks.api.temporal.namespace, conversation["id"])).glob("*")]


async def test_a_fork_from_the_beginning_has_no_messages(talks: Talks) -> None:
    async with talks.worker():
        source = await talks.create(title="A trip")
        await talks.say(source, "One")
        fork = accepted(await talks.request("POST", f"/{source['id']}/fork", from_turn=0, model="demo:other"), 201)
        turn = await talks.say(fork, "Two")
    assert (fork["title"], fork["model"], fork["turns"]) == ("A trip", "demo:other", 0)
    assert turn["output"] == "Two"


async def test_the_same_key_forks_once(talks: Talks) -> None:
    key = f"fork {talks.api.settings.task_queue}"
    async with talks.worker():
        source = await talks.create()
        await talks.say(source, "One")
        path = f"/{source['id']}/fork"
        responses = [await talks.request("POST", path, key=key, from_turn=1) for _ in range(2)]
        other = await talks.request("POST", path, key=key, from_turn=0)
    assert [response.status_code for response in responses] == [201, 200]
    assert responses[0].json()["id"] == responses[1].json()["id"]
    assert problem_of(other) == (409, "idempotency-conflict")


async def test_a_turn_that_runs_or_never_was_is_refused(talks: Talks) -> None:
    model = GatedModel()
    async with talks.worker(model):
        source = await talks.create(message="One")
        await eventually(lambda: talks.turns(source), bool)
        running, unknown = [await talks.request("POST", f"/{source['id']}/fork", from_turn=turn) for turn in (1, 2)]
        model.released.set()
    assert problem_of(running) == problem_of(unknown) == (422, "task-refused")
    assert "The turn runs" in running.json()["detail"]
    assert "no such turn" in unknown.json()["detail"]
    assert running.json()["errors"][0]["pointer"] == "#/from_turn"


async def test_a_fork_needs_a_worker(talks: Talks) -> None:
    source = await talks.create()
    response = await talks.request("POST", f"/{source['id']}/fork", from_turn=0)
    assert problem_of(response) == (503, "workers-silent")


async def test_a_turn_can_be_forked_as_a_task(talks: Talks) -> None:
    async with talks.worker():
        source = await talks.create()
        await talks.say(source, "One")
        turn = await talks.say(source, "Two")
        response = await talks.api.http.post(
            f"/api/v1/tasks/{turn['id']}/fork", json={"from_step": 0, "input": "Three"}
        )
        fork = await talks.api.task(accepted(response, 201)["id"], wait=20)
    assert (fork["conversation_id"], fork["parent_id"]) == (None, None)
    assert fork["output"].startswith("One / Two / This task is a fork")
    assert fork["output"].endswith("Three")


async def test_a_fork_is_forked_after_the_last_turn_in_common_and_not_before(talks: Talks) -> None:
    async with talks.worker():
        source = await talks.create()
        for text in ("One", "Two"):
            await talks.say(source, text)
        fork = accepted(await talks.request("POST", f"/{source['id']}/fork", from_turn=2), 201)
        await talks.say(fork, "Three")
        path = f"/{fork['id']}/fork"
        again = accepted(await talks.request("POST", path, from_turn=2), 201)
        earlier = await talks.request("POST", path, from_turn=1)
        turn = await talks.say(again, "Four")
    assert turn["output"] == "One / Two / Four"
    assert again["forked_from"] == {"conversation_id": fork["id"], "turn": 2}
    assert problem_of(earlier) == (422, "task-refused")
    assert source["id"] in earlier.json()["detail"]
