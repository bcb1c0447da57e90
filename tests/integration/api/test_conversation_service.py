"""Conversations with a worker, over REST: turns that follow each other, transcripts, changes, busy conversations."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.api.clerk import CLERK, Payments, by_step, pay_call, payments_settings, problem_of
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually, serve_rest
from tests.integration.api.gated_model import GatedModel
from tests.integration.api.talks import Talks, accepted


@pytest.fixture
def talks(harness: ApiHarness) -> Talks:
    """Conversations in the API of a test, with no worker yet."""
    return Talks(harness)


async def test_a_turn_follows_each_message_and_reads_those_before_it(talks: Talks) -> None:
    async with talks.worker():
        conversation = await talks.create(user="ada", tags=["trip"], metadata={"ticket": "1"}, idle_expiry="30d")
        first = await talks.say(conversation, "One")
        second = await talks.say(conversation, "Two", metadata={"row": "2"})
        listed = await talks.api.listed(2, conversation_id=conversation["id"])
        shown = await talks.get(conversation)
        texts = await talks.texts(conversation)
        turns = await talks.turns(conversation)
    assert (first["status"], first["output"], second["output"]) == ("completed", "One", "One / Two")
    assert (second["conversation_id"], second["parent_id"]) == (conversation["id"], None)
    assert (second["user"], second["tags"], second["metadata"]) == ("ada", ["trip"], {"ticket": "1", "row": "2"})
    assert [task["id"] for task in listed["tasks"]] == [second["id"], first["id"]]
    assert {task["parent_id"] for task in listed["tasks"]} == {None}
    assert texts == ["One", "One", "Two", "One / Two"]
    assert [(turn["number"], turn["task_id"], turn["status"]) for turn in turns] == [
        (1, first["id"], "completed"),
        (2, second["id"], "completed"),
    ]
    assert (turns[1]["input"], turns[1]["output"], turns[1]["model"]) == ("Two", "One / Two", "demo:demo")
    assert (shown["turns"], shown["status"], shown["usage"]["model_calls"]) == (2, "idle", 2)
    assert shown["created_at"] < shown["updated_at"] < shown["expires_at"]


async def test_turns_are_read_page_by_page(talks: Talks) -> None:
    async with talks.worker():
        conversation = await talks.create()
        for text in ("One", "Two", "Three"):
            await talks.say(conversation, text)
        path = f"/conversations/{conversation['id']}/turns"
        first = await talks.api.get(path, limit=2)
        rest = await talks.api.get(path, limit=2, cursor=first["next_cursor"])
        from_two = await talks.turns(conversation, start=2)
        both = await talks.turns(conversation, start=1, cursor="1")
    assert [turn["number"] for turn in [*first["turns"], *rest["turns"]]] == [1, 2, 3]
    assert rest["next_cursor"] is None
    assert [turn["number"] for turn in from_two] == [2, 3]
    assert both == from_two


async def test_the_transcript_is_read_page_by_page_and_by_version(talks: Talks) -> None:
    async with talks.worker():
        conversation = await talks.create()
        for text in ("One", "Two"):
            await talks.say(conversation, text)
        path = f"/conversations/{conversation['id']}/transcript"
        first = await talks.api.get(path, limit=3)
        rest = await talks.api.get(path, start=first["next_start"], version=1)
        unknown = await talks.api.http.get(f"/api/v1{path}", params={"version": 2})
    assert (len(first["messages"]), first["total"], first["next_start"]) == (3, 4, 3)
    assert (len(rest["messages"]), rest["next_start"], rest["version"], rest["versions"]) == (1, None, 1, 1)
    assert problem_of(unknown) == (404, "version-not-found")


async def test_a_turns_own_transcript_begins_with_the_conversations(talks: Talks) -> None:
    async with talks.worker():
        conversation = await talks.create()
        await talks.say(conversation, "One")
        turn = await talks.say(conversation, "Two")
        page = await talks.api.get(f"/tasks/{turn['id']}/transcript")
        rest = await talks.api.get(f"/tasks/{turn['id']}/transcript", start=page["next_start"])
    texts = [part["text"] for message in [*page["messages"], *rest["messages"]] for part in message["parts"]]
    assert texts == ["One", "One", "Two", "One / Two"]


async def test_the_agent_and_model_of_a_message_are_those_of_its_turn_only(talks: Talks) -> None:
    async with talks.worker():
        conversation = await talks.create(model="demo:other")
        await talks.say(conversation, "One", agent="assistant")
        await talks.say(conversation, "Two", model="demo:third")
        await talks.say(conversation, "Three")
        turns = await talks.turns(conversation)
        shown = await talks.get(conversation)
    assert [turn["model"] for turn in turns] == ["demo:other", "demo:third", "demo:other"]
    assert shown["model"] == "demo:other"


async def test_a_change_holds_from_the_next_message_on(talks: Talks) -> None:
    async with talks.worker():
        conversation = await talks.create(model="demo:other", message="One")
        await talks.until(conversation, "idle")
        path = f"/{conversation['id']}"
        changed = accepted(await talks.request("PATCH", path, title="Renamed", model="demo:third"), 200)
        await talks.say(conversation, "Two")
        back = accepted(await talks.api.http.patch(f"/api/v1/conversations{path}", json={"model": None}), 200)
        await talks.say(conversation, "Three")
        turns = await talks.turns(conversation)
        refused = await talks.request("PATCH", path, agent="nobody")
    assert (changed["title"], changed["model"], changed["on_busy"]) == ("Renamed", "demo:third", "reject")
    assert (back["title"], back["model"]) == ("Renamed", None)
    assert [turn["model"] for turn in turns] == ["demo:other", "demo:third", "demo:demo"]
    assert problem_of(refused) == (422, "task-refused")


async def test_without_a_worker_a_change_is_kept(talks: Talks) -> None:
    conversation = await talks.create()
    accepted(await talks.request("PATCH", f"/{conversation['id']}", title="Renamed"), 202)
    async with talks.worker():
        await eventually(lambda: talks.get(conversation), lambda shown: bool(shown["title"] == "Renamed"))


async def test_a_busy_conversation_refuses_enqueues_or_interrupts(talks: Talks) -> None:
    model = GatedModel()
    async with talks.worker(model):
        conversation = await talks.create(message="One")
        first = conversation["current_task_id"]
        await asyncio.wait_for(model.requested.wait(), WITHIN)
        path = f"/{conversation['id']}/messages"
        refused = await talks.request("POST", path, input="Two")
        queued = await talks.send(conversation, "Three", status=202, on_busy="enqueue")
        shown = await talks.get(conversation)
        waiting = await talks.api.task(queued["id"])
        delivered = await talks.send(conversation, "Four", status=200, on_busy="interrupt")
        model.released.set()
        await talks.api.task(queued["id"], wait=WITHIN)
        await talks.until(conversation, "idle")
        texts = await talks.texts(conversation)
    assert problem_of(refused) == (409, "conversation-busy")
    assert first in refused.json()["detail"]
    assert (shown["status"], shown["current_task_id"], shown["queued"]) == ("running", first, 1)
    assert (waiting["status"], waiting["input"]) == ("queued", "Three")
    assert delivered["id"] == first
    assert [text for text in texts if text in ("One", "Two", "Three", "Four")] == ["One", "Four", "Three"]


async def test_a_conversation_whose_turn_waits_for_a_person_waits(tmp_path: Path, temporal_port: int) -> None:
    settings = payments_settings(tmp_path, temporal_port)
    (settings.app_dir / "agents" / "clerk.yaml").write_text(json.dumps(CLERK))
    async with serve_rest(settings) as api:
        talks, payments = Talks(api), Payments(api)
        async with payments.worker(by_step(pay_call(), "Paid.")):
            conversation = await talks.create(agent="clerk", message="Pay.")
            waiting = await talks.until(conversation, "waiting")
            (turn,) = await talks.turns(conversation)
            task = await api.task(waiting["current_task_id"])
            inbox = await eventually(
                lambda: api.get("/input-requests", agent="clerk"), lambda page: bool(page["total"] >= 1)
            )
            page = await eventually(
                lambda: api.get("/conversations", agent="clerk", status="running"), lambda page: bool(page["total"])
            )
            assert (await payments.answer(task)).status_code == 200
            await talks.until(conversation, "idle")
    assert (turn["status"], task["status"], task["conversation_id"]) == ("waiting", "waiting", conversation["id"])
    assert task["id"] in {request["task_id"] for request in inbox["input_requests"]}
    statuses = {shown["id"]: shown["status"] for shown in page["conversations"]}
    assert statuses[conversation["id"]] == "waiting"
    assert payments.paid == [700]


async def test_the_same_key_sends_a_message_once(talks: Talks) -> None:
    async with talks.worker():
        conversation = await talks.create()
        path = f"/{conversation['id']}/messages"
        responses = await asyncio.gather(*[talks.request("POST", path, key="once", input="Once") for _ in range(4)])
        await talks.api.task(responses[0].json()["id"], wait=WITHIN)
        await talks.until(conversation, "idle")
        again = await talks.request("POST", path, key="once", input="Once")
        other = await talks.request("POST", path, key="once", input="Twice")
        turns = await talks.turns(conversation)
    assert len({response.json()["id"] for response in [*responses, again]}) == 1
    assert {response.status_code for response in responses} <= {200, 201}
    assert again.status_code == 200
    assert problem_of(other) == (409, "idempotency-conflict")
    assert len(turns) == 1


async def test_an_expired_conversation_is_shown_and_takes_no_more_messages(talks: Talks) -> None:
    async with talks.worker():
        conversation = await talks.create(message="One", idle_expiry=0.5)
        expired = await talks.until(conversation, "expired")
        response = await talks.request("POST", f"/{conversation['id']}/messages", input="Two")
        changed = await talks.request("PATCH", f"/{conversation['id']}", title="x")
        texts = await talks.texts(conversation)

    async def listed() -> dict[str, Any]:
        return await talks.api.get("/conversations", status="expired", limit=200)

    await eventually(listed, lambda page: conversation["id"] in {shown["id"] for shown in page["conversations"]})
    assert (expired["turns"], expired["current_task_id"], expired["expires_at"]) == (1, None, None)
    assert problem_of(response) == problem_of(changed) == (409, "conversation-ended")
    assert texts == ["One", "One"]


async def test_the_first_message_names_a_conversation_that_was_started_without_one(talks: Talks) -> None:
    async with talks.worker():
        conversation = await talks.create()
        for text in ("Where to?\nToday, I mean.", "And then?"):
            await talks.say(conversation, text)
        shown = await talks.get(conversation)
    assert shown["title"] == "Where to?"
