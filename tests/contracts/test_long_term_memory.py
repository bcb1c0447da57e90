"""What every implementation of long-term memory does."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from qdrant_client import AsyncQdrantClient

from agentkit.errors import MemoryNotFound, MemoryRequestInvalid
from agentkit.interfaces import (
    MAX_MEMORY_CHARS,
    LongTermMemory,
    Memory,
    MemoryChanges,
    MemoryScope,
    NewMemory,
)
from agentkit.memory.edge_points import EdgePoints
from agentkit.memory.server_memory import open_server_memory
from agentkit.memory.stored_points import PointFilter
from agentkit.memory.vector_memory import VectorMemory
from agentkit.memory_rules import MAX_METADATA_CHARS, memory_id
from agentkit.testing import InMemoryMemory, WordEmbedder
from tests.qdrant_server import API_KEY, QdrantServer, qdrant_server

ADA = MemoryScope(kind="user", owner="ada")
OTHERS = [
    MemoryScope(kind="user", owner="bob"),
    MemoryScope(kind="agent", owner="ada"),
    MemoryScope(kind="tenant"),
    MemoryScope(kind="user", owner="ada", tenant="acme"),
    MemoryScope(kind="user", owner="ada/"),
]
QDRANT_URL = os.environ.get("QDRANT_URL", "")  # noqa: TID251
"""A Qdrant server of the developer's, which is tested too."""
QDRANT_KEY = os.environ.get("QDRANT_API_KEY")  # noqa: TID251
STORES = ["in memory", "embedded", "loopback server", *(["server"] if QDRANT_URL else [])]
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class SteppingClock:
    """A clock that goes on by a second with each look at it."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgePoints]:
    """One directory for all tests: to create one takes the disk a second."""
    points = EdgePoints(tmp_path_factory.mktemp("memory"))
    yield points
    asyncio.run(points.aclose())


@pytest.fixture(scope="module")
def loopback_server() -> Iterator[QdrantServer]:
    with qdrant_server() as server:
        yield server


@pytest.fixture(params=STORES)
async def memory(
    request: pytest.FixtureRequest, clock: SteppingClock, directory: EdgePoints, loopback_server: QdrantServer
) -> AsyncIterator[LongTermMemory]:
    if request.param == "in memory":
        yield InMemoryMemory(now=clock)
    elif request.param == "embedded":
        yield VectorMemory(directory, WordEmbedder(), now=clock)
        for tenant in {scope.tenant for scope in (ADA, *OTHERS)}:
            await directory.delete(PointFilter(tenant, now_ms=0))
    elif request.param == "loopback server":
        name = f"memories-{uuid.uuid4().hex}"
        store = open_server_memory(loopback_server.url, WordEmbedder(), api_key=API_KEY, collection=name, now=clock)
        yield store
        await store.aclose()
    else:
        collection = f"opspawn-test-{uuid.uuid4().hex}"
        store = open_server_memory(QDRANT_URL, WordEmbedder(), api_key=QDRANT_KEY, collection=collection, now=clock)
        yield store
        await store.aclose()
        await delete_collections(collection)


async def delete_collections(alias: str) -> None:
    client = AsyncQdrantClient(url=QDRANT_URL, headers={"api-key": QDRANT_KEY or ""}, check_compatibility=False)
    for number in (1, 2):
        await client.delete_collection(f"{alias}-{number}")
    await client.close()


def new(text: str, key: str | None = None, **fields: object) -> NewMemory:
    return NewMemory.model_validate({"text": text, "key": key or f"key of {text}", **fields})


async def texts_of(memory: LongTermMemory, scope: MemoryScope = ADA) -> list[str]:
    return [one.text for one in (await memory.list(scope, limit=100)).memories]


async def recalled(memory: LongTermMemory, query: str, scope: MemoryScope = ADA, limit: int = 10) -> list[str]:
    return [one.text for one in await memory.recall(scope, query, limit=limit)]


async def exported(memory: LongTermMemory, scope: MemoryScope = ADA) -> list[Memory]:
    return [one async for one in memory.export(scope)]


async def test_a_memory_is_returned_with_all_that_was_given(memory: LongTermMemory) -> None:
    expires_at = START + timedelta(days=3)
    result = await memory.remember(
        ADA, new("Ada drinks tea", metadata={"source": "chat"}, task_id="task-1", expires_at=expires_at)
    )
    stored = result.memory
    assert result.outcome == "new"
    assert (stored.text, stored.scope, stored.task_id) == ("Ada drinks tea", ADA, "task-1")
    assert (stored.metadata, stored.expires_at) == ({"source": "chat"}, expires_at)
    assert START < stored.created_at == stored.updated_at < START + timedelta(minutes=1)
    assert await memory.get(ADA, stored.id) == stored
    assert (await memory.list(ADA, limit=10)).memories == (stored,)
    assert await exported(memory) == [stored]
    [found] = await memory.recall(ADA, "What does Ada drink: tea?", limit=3)
    assert (found.model_copy(update={"score": None}), found.score) == (stored, 1)


async def test_the_best_fitting_memories_are_recalled_first(memory: LongTermMemory) -> None:
    for text in ["The car is a blue Volvo", "Ada drinks green tea in the morning", "The garden has two apple trees"]:
        await memory.remember(ADA, new(text))
    found = await memory.recall(ADA, "does Ada drink tea in the morning?", limit=2)
    assert found[0].text == "Ada drinks green tea in the morning"
    assert [one.score for one in found] == sorted((one.score or 0 for one in found), reverse=True)
    assert len(found) <= 2


@pytest.mark.parametrize("other", OTHERS, ids=lambda scope: f"{scope.tenant}:{scope}")
async def test_no_call_reaches_another_scope(memory: LongTermMemory, other: MemoryScope) -> None:
    mine = (await memory.remember(ADA, new("Ada drinks tea", "k"))).memory
    theirs = await memory.remember(other, new("Ada drinks tea", "k"))
    assert (theirs.outcome, theirs.memory.scope) == ("new", other)
    assert theirs.memory.id != mine.id
    for scope, own, foreign in [(ADA, mine, theirs.memory), (other, theirs.memory, mine)]:
        assert [one.id for one in await memory.recall(scope, "tea", limit=10)] == [own.id]
        assert [one.id for one in (await memory.list(scope, limit=10)).memories] == [own.id]
        assert [one.id for one in await exported(memory, scope)] == [own.id]
        with pytest.raises(MemoryNotFound):
            await memory.get(scope, foreign.id)
        with pytest.raises(MemoryNotFound):
            await memory.update(scope, foreign.id, MemoryChanges(text="changed"))
        with pytest.raises(MemoryNotFound):
            await memory.forget(scope, foreign.id)
        assert await memory.find(scope.tenant, own.id) == own
    with pytest.raises(MemoryNotFound):
        await memory.find("another", mine.id)
    await memory.remember(ADA, new("Ada drinks coffee now", supersedes=theirs.memory.id))
    assert (await memory.get(other, theirs.memory.id)).superseded_by is None
    assert await memory.erase(ADA) == 2
    assert await texts_of(memory, other) == ["Ada drinks tea"]


async def test_a_repeated_key_stores_nothing_new(memory: LongTermMemory) -> None:
    first = await memory.remember(ADA, new("Ada drinks tea", "call-1"))
    again = await memory.remember(ADA, new("Ada drinks tea", "call-1"))
    other_text = await memory.remember(ADA, new("The car is a blue Volvo", "call-1"))
    assert (again.outcome, again.memory) == ("same", first.memory)
    assert (other_text.outcome, other_text.memory) == ("same", first.memory)
    assert await texts_of(memory) == ["Ada drinks tea"]


async def test_a_key_is_known_also_after_its_memory_was_changed(memory: LongTermMemory) -> None:
    first = (await memory.remember(ADA, new("Ada drinks tea", "call-1"))).memory
    await memory.update(ADA, first.id, MemoryChanges(text="The car is a blue Volvo"))
    again = await memory.remember(ADA, new("Ada drinks tea", "call-1"))
    assert (again.outcome, again.memory.id, again.memory.text) == ("same", first.id, "The car is a blue Volvo")
    assert await texts_of(memory) == ["The car is a blue Volvo"]


@pytest.mark.parametrize("text", ["Ada likes green tea with milk", "Ada likes the green tea with milk"])
async def test_each_key_of_a_memory_is_known(memory: LongTermMemory, text: str) -> None:
    first = (await memory.remember(ADA, new("Ada likes green tea with milk", "call-1"))).memory
    await memory.remember(ADA, new(text, "call-2"))
    await memory.update(ADA, first.id, MemoryChanges(text="The car is a blue Volvo"))
    for key in ("call-1", "call-2"):
        assert (await memory.remember(ADA, new(text, key))).outcome == "same"
    assert await texts_of(memory) == ["The car is a blue Volvo"]


@pytest.mark.parametrize("text", ["Ada drinks tea", "  ada DRINKS\n tea ", "\uff21da drinks tea"], ids=ascii)
async def test_the_same_text_is_one_memory(memory: LongTermMemory, text: str) -> None:
    first = await memory.remember(ADA, new("Ada drinks tea", "call-1"))
    again = await memory.remember(ADA, new(text, "call-2"))
    assert (again.outcome, again.memory.id) == ("same", first.memory.id)
    assert await texts_of(memory) == ["Ada drinks tea"]


async def test_a_text_whose_memory_was_changed_since_can_be_remembered_again(memory: LongTermMemory) -> None:
    first = (await memory.remember(ADA, new("Ada drinks tea", "call-1"))).memory
    await memory.update(ADA, first.id, MemoryChanges(text="The car is a blue Volvo"))
    again = await memory.remember(ADA, new("Ada drinks tea", "call-2"))
    assert again.outcome == "new"
    assert await texts_of(memory) == ["Ada drinks tea", "The car is a blue Volvo"]


async def test_a_near_duplicate_is_updated(memory: LongTermMemory) -> None:
    first = (await memory.remember(ADA, new("Ada likes green tea with milk", metadata={"a": "1"}, task_id="t1"))).memory
    result = await memory.remember(
        ADA, new("Ada liked the green tea with milk!", "call-2", metadata={"b": "2"}, task_id="t2")
    )
    assert (result.outcome, result.memory.id) == ("updated", first.id)
    assert (result.memory.text, result.memory.task_id) == ("Ada liked the green tea with milk!", "t2")
    assert result.memory.metadata == {"a": "1", "b": "2"}
    assert result.memory.created_at == first.created_at < result.memory.updated_at
    assert await texts_of(memory) == ["Ada liked the green tea with milk!"]
    again = await memory.remember(ADA, new("Ada liked the green tea with milk!", "call-2"))
    assert (again.outcome, again.memory) == ("same", result.memory)
    assert await recalled(memory, "green tea") == ["Ada liked the green tea with milk!"]


@pytest.mark.parametrize(
    ("old", "other"),
    [
        ("Ada lives in Berlin", "Ada lives in Paris"),
        ("The meeting is at 3 pm", "The meeting is at 4 pm"),
        ("Bob owes Ada 50 euros", "Ada owes Bob 50 euros"),
        ("Ada does not drink tea", "Ada does drink tea"),
        ("Ada's son is Julian", "Ada's son is Julia"),
    ],
)
async def test_of_a_contradiction_nothing_is_lost(memory: LongTermMemory, old: str, other: str) -> None:
    await memory.remember(ADA, new(old))
    result = await memory.remember(ADA, new(other))
    assert result.outcome == "new"
    assert set(await recalled(memory, old)) == {old, other}


async def test_a_superseded_memory_is_kept_and_not_recalled(memory: LongTermMemory) -> None:
    old = (await memory.remember(ADA, new("Ada lives in Berlin"))).memory
    result = await memory.remember(ADA, new("Ada lives in Paris", supersedes=old.id))
    assert result.outcome == "new"
    assert await recalled(memory, "Where does Ada live: Berlin?") == ["Ada lives in Paris"]
    assert (await memory.get(ADA, old.id)).superseded_by == result.memory.id
    assert await texts_of(memory) == ["Ada lives in Paris", "Ada lives in Berlin"]
    assert [one.superseded_by for one in await exported(memory)] == [result.memory.id, None]


async def test_a_superseded_text_can_be_true_again(memory: LongTermMemory) -> None:
    berlin = (await memory.remember(ADA, new("Ada lives in Berlin", "1"))).memory
    paris = (await memory.remember(ADA, new("Ada lives in Paris", "2", supersedes=berlin.id))).memory
    back = await memory.remember(ADA, new("Ada lives in Berlin", "3", supersedes=paris.id))
    assert back.outcome == "new"
    assert await recalled(memory, "Where does Ada live?") == ["Ada lives in Berlin"]


async def test_two_memories_never_supersede_each_other(memory: LongTermMemory) -> None:
    berlin = (await memory.remember(ADA, new("Ada lives in Berlin", "1"))).memory
    paris = (await memory.remember(ADA, new("Ada lives in Paris", "2", supersedes=berlin.id))).memory
    await memory.remember(ADA, new("Ada lives in Berlin", "1", supersedes=paris.id))
    assert (await memory.get(ADA, paris.id)).superseded_by is None
    await memory.remember(ADA, new("Ada lives in Paris", "4", supersedes=paris.id))
    assert await recalled(memory, "Where does Ada live?") == ["Ada lives in Paris"]


async def test_a_repeated_call_makes_a_link_that_is_missing(memory: LongTermMemory) -> None:
    await memory.remember(ADA, new("Ada lives in Paris", "2"))
    old = (await memory.remember(ADA, new("Ada lives in Berlin", "1"))).memory
    result = await memory.remember(ADA, new("Ada lives in Paris", "2", supersedes=old.id))
    assert result.outcome == "same"
    assert (await memory.get(ADA, old.id)).superseded_by == result.memory.id


async def test_an_unknown_superseded_id_is_ignored(memory: LongTermMemory) -> None:
    for number, identifier in enumerate(["no such id", "", "../x", "7"]):
        await memory.remember(ADA, new(f"Fact number {number}", supersedes=identifier))
    assert len(await texts_of(memory)) == 4


async def test_an_expired_memory_is_found_by_nothing(memory: LongTermMemory, clock: SteppingClock) -> None:
    expires_at = START + timedelta(hours=1)
    old = (await memory.remember(ADA, new("Ada is in Rome", "1", expires_at=expires_at))).memory
    await memory.remember(ADA, new("The car is a blue Volvo"))
    assert len(await recalled(memory, "Ada in Rome, blue Volvo")) == 2
    clock.now += timedelta(hours=1)
    assert await recalled(memory, "Ada in Rome, blue Volvo") == ["The car is a blue Volvo"]
    page = await memory.list(ADA, limit=10)
    assert ([one.text for one in page.memories], page.total) == (["The car is a blue Volvo"], 1)
    assert [one.text for one in await exported(memory)] == ["The car is a blue Volvo"]
    with pytest.raises(MemoryNotFound):
        await memory.get(ADA, old.id)
    with pytest.raises(MemoryNotFound):
        await memory.find(ADA.tenant, old.id)
    with pytest.raises(MemoryNotFound):
        await memory.update(ADA, old.id, MemoryChanges(text="x"))
    with pytest.raises(MemoryNotFound):
        await memory.forget(ADA, old.id)
    assert (await memory.remember(ADA, new("Ada is in Rome", "1"))).outcome == "new"
    assert await memory.erase(ADA) == 2


async def test_a_time_without_a_zone_is_utc(memory: LongTermMemory) -> None:
    naive = (START + timedelta(days=1)).replace(tzinfo=None)
    stored = (await memory.remember(ADA, new("Ada is in Rome", expires_at=naive))).memory
    assert stored.expires_at == START + timedelta(days=1)
    changed = await memory.update(ADA, stored.id, MemoryChanges(expires_at=naive + timedelta(days=1)))
    assert changed.expires_at == (await memory.get(ADA, stored.id)).expires_at == START + timedelta(days=2)


@pytest.mark.parametrize("text", ["Ada likes green tea with milk", "Ada likes the green tea with milk"])
async def test_what_is_remembered_again_lives_as_long_as_the_longest(memory: LongTermMemory, text: str) -> None:
    soon, late = START + timedelta(hours=1), START + timedelta(hours=2)
    await memory.remember(ADA, new("Ada likes green tea with milk", "1", expires_at=late))
    assert (await memory.remember(ADA, new(text, "2", expires_at=soon))).memory.expires_at == late
    assert (await memory.remember(ADA, new(text, "3"))).memory.expires_at is None
    assert [one.expires_at for one in (await memory.list(ADA, limit=10)).memories] == [None]


async def test_an_update_changes_what_is_given(memory: LongTermMemory) -> None:
    stored = (await memory.remember(ADA, new("Ada drinks tea", metadata={"a": "1"}, task_id="t"))).memory
    changed = await memory.update(ADA, stored.id, MemoryChanges(text="The car is a blue Volvo"))
    assert (changed.text, changed.metadata, changed.task_id) == ("The car is a blue Volvo", {"a": "1"}, "t")
    assert changed.created_at == stored.created_at < changed.updated_at
    assert await memory.get(ADA, stored.id) == changed
    assert await recalled(memory, "Which car: a Volvo?") == ["The car is a blue Volvo"]
    assert (await memory.update(ADA, stored.id, MemoryChanges(metadata={"b": "2"}))).metadata == {"b": "2"}
    assert (await memory.get(ADA, stored.id)).text == "The car is a blue Volvo"
    assert (await memory.update(ADA, stored.id, MemoryChanges(metadata={}))).metadata == {}


async def test_an_expiry_can_be_removed(memory: LongTermMemory, clock: SteppingClock) -> None:
    soon = START + timedelta(hours=1)
    stored = (await memory.remember(ADA, new("Ada is on holiday", metadata={"a": "1"}, expires_at=soon))).memory
    changes = MemoryChanges.model_validate_json(MemoryChanges(expires_at="never").model_dump_json())
    assert (await memory.update(ADA, stored.id, changes)).expires_at is None
    clock.now = soon + timedelta(hours=1)
    kept = await memory.get(ADA, stored.id)
    assert (kept.text, kept.metadata, kept.expires_at) == ("Ada is on holiday", {"a": "1"}, None)


async def test_a_forgotten_memory_is_gone(memory: LongTermMemory) -> None:
    stored = (await memory.remember(ADA, new("Ada drinks tea", "1"))).memory
    await memory.forget(ADA, stored.id)
    assert await recalled(memory, "tea") == []
    assert await texts_of(memory) == []
    for call in [memory.get(ADA, stored.id), memory.find(ADA.tenant, stored.id), memory.forget(ADA, stored.id)]:
        with pytest.raises(MemoryNotFound, match=stored.id):
            await call
    assert (await memory.remember(ADA, new("Ada drinks tea", "2"))).outcome == "new"


async def test_what_superseded_another_is_forgotten_without_reviving_it(memory: LongTermMemory) -> None:
    old = (await memory.remember(ADA, new("Ada lives in Berlin"))).memory
    current = (await memory.remember(ADA, new("Ada lives in Paris", supersedes=old.id))).memory
    await memory.forget(ADA, current.id)
    assert await recalled(memory, "Where does Ada live?") == []


@pytest.mark.parametrize("identifier", ["", "7", "no such", "../x", "0" * 10_000, "a\0b", "\ud800", "é"], ids=ascii)
async def test_any_text_as_an_id_is_not_found(memory: LongTermMemory, identifier: str) -> None:
    await memory.remember(ADA, new("Ada drinks tea"))
    with pytest.raises(MemoryNotFound):
        await memory.get(ADA, identifier)
    with pytest.raises(MemoryNotFound):
        await memory.find(ADA.tenant, identifier)
    with pytest.raises(MemoryNotFound):
        await memory.update(ADA, identifier, MemoryChanges(text="x"))
    with pytest.raises(MemoryNotFound):
        await memory.forget(ADA, identifier)


async def test_pages_hold_each_memory_once_newest_first(memory: LongTermMemory) -> None:
    for number in range(7):
        await memory.remember(ADA, new(f"Fact number {number}"))
    seen: list[str] = []
    cursor = None
    for _ in range(4):
        page = await memory.list(ADA, limit=2, cursor=cursor)
        seen += [one.text for one in page.memories]
        assert page.total == 7
        cursor = page.next_cursor
    assert cursor is None
    assert seen == [f"Fact number {number}" for number in reversed(range(7))]
    assert [one.text for one in await exported(memory)] == list(reversed(seen))


async def test_imported_memories_keep_their_time_and_their_order(memory: LongTermMemory) -> None:
    await memory.remember(ADA, new("now"))
    for number in range(20):  # five of one time
        created_at = datetime(2001 + number // 5, 2, 3, 4, 5, 6, 789_123, tzinfo=UTC)
        await memory.remember(ADA, new(f"Fact number {number}", created_at=created_at))
    order = await exported(memory)
    assert [(one.created_at, one.id) for one in order] == sorted((one.created_at, one.id) for one in order)
    assert {(one.created_at - one.updated_at, one.created_at.microsecond) for one in order[:-1]} == {
        (timedelta(0), 789_000)
    }
    assert [one.created_at.year for one in order] == [year for year in range(2001, 2005) for _ in range(5)] + [2026]
    seen: list[Memory] = []
    cursor = None
    for _ in range(7):
        page = await memory.list(ADA, limit=3, cursor=cursor)
        seen += page.memories
        cursor = page.next_cursor
    assert (seen, cursor) == (list(reversed(order)), None)


async def test_memories_of_one_position_are_in_the_order_of_their_ids(memory: LongTermMemory) -> None:
    texts: dict[str, list[str]] = {}
    for text in (f"Fact number {number}" for number in range(20_000)):
        texts.setdefault(memory_id(ADA, text)[:3], []).append(text)
        if len(same := texts[memory_id(ADA, text)[:3]]) == 5:  # ids that begin alike
            break
    for text in sorted(same, key=lambda text: text[::-1]):
        await memory.remember(ADA, new(text, created_at=START))
    ids = sorted(memory_id(ADA, text) for text in same)
    assert [one.id for one in await exported(memory)] == ids
    seen: list[str] = []
    cursor = None
    for _ in ids:
        page = await memory.list(ADA, limit=1, cursor=cursor)
        seen += [one.id for one in page.memories]
        cursor = page.next_cursor
    assert seen == ids[::-1]


async def test_a_page_goes_on_after_its_last_memory_was_forgotten(memory: LongTermMemory) -> None:
    for number in range(4):
        await memory.remember(ADA, new(f"Fact number {number}"))
    page = await memory.list(ADA, limit=2)
    await memory.forget(ADA, page.memories[-1].id)
    rest = await memory.list(ADA, limit=2, cursor=page.next_cursor)
    assert [one.text for one in rest.memories] == ["Fact number 1", "Fact number 0"]


async def test_a_cursor_of_something_else_is_refused(memory: LongTermMemory) -> None:
    for number in range(3):
        await memory.remember(ADA, new(f"Fact number {number}"))
    cursor = (await memory.list(ADA, limit=1)).next_cursor
    for scope, wrong in [(OTHERS[0], cursor), (ADA, "x"), (ADA, ""), (ADA, "é"), (ADA, "\ud800"), (ADA, "bnVsbA")]:
        with pytest.raises(MemoryRequestInvalid, match="cursor"):
            await memory.list(scope, limit=1, cursor=wrong)


async def test_a_scope_is_erased_whole(memory: LongTermMemory) -> None:
    old = (await memory.remember(ADA, new("Ada lives in Berlin"))).memory
    await memory.remember(ADA, new("Ada lives in Paris", supersedes=old.id))
    await memory.remember(OTHERS[0], new("Bob lives in Rome"))
    assert await memory.erase(ADA) == 2
    assert await memory.erase(ADA) == 0
    assert (await memory.list(ADA, limit=10)).total == 0
    assert await recalled(memory, "Where does Ada live?") == []
    assert await texts_of(memory, OTHERS[0]) == ["Bob lives in Rome"]


async def test_the_memories_of_a_task_are_erased_in_all_scopes_of_its_tenant(memory: LongTermMemory) -> None:
    other = MemoryScope(kind="agent", owner="clerk", tenant=ADA.tenant)
    foreign = MemoryScope(kind="user", owner="ada", tenant="another")
    for scope in (ADA, other, foreign):
        await memory.remember(scope, new("Ada lives in Berlin", task_id="task-1"))
    await memory.remember(ADA, new("Ada drinks tea", task_id="task-2"))
    await memory.remember(ADA, new("The car is a blue Volvo"))
    assert await memory.erase_of_task(ADA.tenant, "task-1") == 2
    assert await memory.erase_of_task(ADA.tenant, "task-1") == 0
    assert await texts_of(memory) == ["The car is a blue Volvo", "Ada drinks tea"]
    assert await texts_of(memory, other) == []
    assert await texts_of(memory, foreign) == ["Ada lives in Berlin"]
    assert await memory.erase(foreign) == 1


async def test_the_memories_of_all_turns_of_a_conversation_are_erased_and_no_others(memory: LongTermMemory) -> None:
    other = MemoryScope(kind="agent", owner="clerk", tenant=ADA.tenant)
    foreign = MemoryScope(kind="user", owner="ada", tenant="another")
    for scope in (ADA, other, foreign):
        await memory.remember(scope, new("Ada lives in Berlin", task_id="conversation-1-a"))
    await memory.remember(ADA, new("Ada drinks tea", task_id="conversation-1-b"))
    for number, task_id in enumerate(("conversation-1", "conversation-11-a", "my-conversation-1-a", None)):
        await memory.remember(ADA, new(f"Fact number {number}", task_id=task_id))
    assert await memory.erase_of_conversation(ADA.tenant, "conversation-1") == 3
    assert await memory.erase_of_conversation(ADA.tenant, "conversation-1") == 0
    assert await texts_of(memory) == [f"Fact number {number}" for number in (3, 2, 1, 0)]
    assert await texts_of(memory, other) == []
    assert await texts_of(memory, foreign) == ["Ada lives in Berlin"]
    assert await memory.erase(foreign) == 1


ODD_TEXTS = [
    "a\0b",
    "\x01\x02 \x7f x",
    "\u202eright to left\u202c",
    "e\u0301 combining",
    "👩‍👩‍👧‍👦 family",
    "\ufeffbyte order mark",
    "\uffff noncharacter",
    "\U000e0041 tag",
    "茶" * MAX_MEMORY_CHARS,
    "x" * MAX_MEMORY_CHARS,
    "a " * (MAX_MEMORY_CHARS // 2),
    '{"$where": 1}',
    "'; DROP TABLE memories; --",
    "!!! ??? ...",
]


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: ascii(text[:12]))
async def test_odd_texts_are_kept_as_they_are(memory: LongTermMemory, text: str) -> None:
    await memory.remember(ADA, new("Ada drinks tea"))
    stored = (await memory.remember(ADA, new(text, "odd\0key é", metadata={text[:50]: text}))).memory
    assert (await memory.get(ADA, stored.id)).text == text
    assert (await memory.get(ADA, stored.id)).metadata == {text[:50]: text}
    assert (await memory.remember(ADA, new(text, "odd\0key é"))).outcome == "same"
    await memory.recall(ADA, text, limit=3)
    await memory.forget(ADA, stored.id)
    assert await texts_of(memory) == ["Ada drinks tea"]


@pytest.mark.parametrize("owner", ["a\0b", "ada'", "é" * 200, "👩‍👩‍👧‍👦", "*", "%", "ada\n", " ada"], ids=ascii)
async def test_odd_names_are_scopes_of_their_own(memory: LongTermMemory, owner: str) -> None:
    scope = MemoryScope(kind="user", owner=owner, tenant=owner)
    await memory.remember(ADA, new("Ada drinks tea"))
    await memory.remember(scope, new("The car is a blue Volvo"))
    assert await texts_of(memory, scope) == ["The car is a blue Volvo"]
    assert await memory.erase(scope) == 1
    assert await texts_of(memory) == ["Ada drinks tea"]


@pytest.mark.parametrize(
    "query", ["", " ", "\0", "\ud800 tea", "!?", "tea " * 100_000, "茶" * 100_000], ids=lambda q: q[:4]
)
async def test_any_query_has_a_result(memory: LongTermMemory, query: str) -> None:
    await memory.remember(ADA, new("Ada drinks tea"))
    assert len(await memory.recall(ADA, query, limit=3)) <= 1
    assert await memory.recall(ADA, query, limit=0) == []


async def test_a_long_query_is_understood_by_its_beginning_and_its_end(memory: LongTermMemory) -> None:
    await memory.remember(ADA, new("Ada drinks tea"))
    filler = "lorem ipsum dolor " * 10_000
    assert await recalled(memory, f"{filler} What does Ada drink: tea?", limit=1) == ["Ada drinks tea"]
    assert await recalled(memory, f"What does Ada drink: tea? {filler}", limit=1) == ["Ada drinks tea"]


@pytest.mark.parametrize("text", [" ", "\0", "\n\t", "\u200b", "\u3000"], ids=ascii)
async def test_a_blank_text_is_refused(memory: LongTermMemory, text: str) -> None:
    with pytest.raises(MemoryRequestInvalid, match="blank"):
        await memory.remember(ADA, new(text))
    stored = (await memory.remember(ADA, new("Ada drinks tea"))).memory
    with pytest.raises(MemoryRequestInvalid, match="blank"):
        await memory.update(ADA, stored.id, MemoryChanges(text=text))


async def test_too_long_metadata_is_refused(memory: LongTermMemory) -> None:
    metadata = {"a": "x" * MAX_METADATA_CHARS}
    with pytest.raises(MemoryRequestInvalid, match="16,001"):
        await memory.remember(ADA, new("Ada drinks tea", metadata=metadata))
    stored = (await memory.remember(ADA, new("Ada drinks tea"))).memory
    with pytest.raises(MemoryRequestInvalid, match="16,001"):
        await memory.update(ADA, stored.id, MemoryChanges(metadata=metadata))


async def test_vectors_are_made_anew_for_all_scopes(memory: LongTermMemory) -> None:
    await memory.remember(ADA, new("Ada drinks tea"))
    await memory.remember(OTHERS[0], new("Bob lives in Rome"))
    before = await exported(memory)
    assert await memory.reindex() == 2
    assert await exported(memory) == before
    assert await recalled(memory, "does Ada drink tea?") == ["Ada drinks tea"]
