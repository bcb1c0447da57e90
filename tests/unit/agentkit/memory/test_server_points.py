"""Memory on a Qdrant server: the requests, and what becomes of the server's errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence

import pytest

from agentkit.errors import MemoryMisconfigured, MemoryNotFound, MemoryUnavailable
from agentkit.interfaces import EmbeddedKind, LongTermMemory, MemoryChanges, MemoryScope, NewMemory
from agentkit.memory.server_memory import open_server_memory
from agentkit.testing import WordEmbedder
from tests.qdrant_server import API_KEY, QdrantServer, qdrant_server

ADA = MemoryScope(kind="user", owner="ada")


@pytest.fixture(scope="module")
def running_server() -> Iterator[QdrantServer]:
    with qdrant_server() as server:
        yield server


@pytest.fixture
async def server(running_server: QdrantServer) -> QdrantServer:
    for collection in (await running_server.engine.get_collections()).collections:
        await running_server.engine.delete_collection(collection.name)
    running_server.requests.clear()
    running_server.failing.clear()
    return running_server


def opened(
    server: QdrantServer, embedder: WordEmbedder | None = None, *, key: str | None = API_KEY, collection: str = "m"
) -> LongTermMemory:
    return open_server_memory(server.url, embedder or WordEmbedder(), api_key=key, collection=collection)


async def remember(memory: LongTermMemory, *texts: str) -> None:
    for text in texts:
        await memory.remember(ADA, NewMemory(text=text, key=text))


async def texts_of(memory: LongTermMemory) -> list[str]:
    return sorted([one.text async for one in memory.export(ADA)])


async def collections_of(server: QdrantServer) -> list[str]:
    return sorted(one.name for one in (await server.engine.get_collections()).collections)


async def test_the_collection_is_made_once_with_an_index_for_each_tenant(server: QdrantServer) -> None:
    memory = opened(server, WordEmbedder("openai-compatible:BAAI/bge-m3", 64))
    assert server.requests == []
    await remember(memory, "Ada drinks tea", "The car is a blue Volvo")
    [create] = [one for one in server.requests if (one.method, one.path) == ("PUT", "/collections/m-1")]
    assert create.body["vectors"] == {"meaning-openai-compatible%3ABAAI%2Fbge-m3": {"size": 64, "distance": "Cosine"}}
    assert create.body["sparse_vectors"] == {"words": {"modifier": "idf"}}
    assert create.body["hnsw_config"] == {"m": 0, "payload_m": 16}
    indexes = {one.body["field_name"]: one.body["field_schema"] for one in server.requests if "/index" in one.path}
    assert indexes == {
        "tenant": {"type": "keyword", "is_tenant": True},
        **dict.fromkeys(["scope", "keys", "text_key", "state"], "keyword"),
        **dict.fromkeys(["position", "expires_ms"], "integer"),
    }
    await memory.aclose()


async def test_each_search_names_tenant_and_scope_in_all_of_its_parts(server: QdrantServer) -> None:
    memory = opened(server)
    await remember(memory, "Ada drinks tea")
    server.requests.clear()
    await memory.recall(ADA, "tea", limit=3)
    [query] = [one.body for one in server.requests if one.path.endswith("/query")]
    assert query["query"] == {"fusion": "rrf"}
    assert [prefetch["using"] for prefetch in query["prefetch"]] == ["meaning-words", "words"]
    for part in (query, *query["prefetch"]):
        assert [(one["key"], one["match"]["value"]) for one in part["filter"]["must"]] == [
            ("tenant", "default"),
            ("scope", "user/ada"),
            ("state", "current"),
        ]
    await memory.aclose()


async def test_processes_that_start_at_the_same_time_make_one_collection(server: QdrantServer) -> None:
    memories = [opened(server) for _ in range(4)]
    await asyncio.gather(*(remember(memory, "Ada drinks tea", f"Fact {n}") for n, memory in enumerate(memories)))
    assert await collections_of(server) == ["m-1"]
    assert len(await texts_of(memories[0])) == 5
    for memory in memories:
        await memory.aclose()


@pytest.mark.parametrize("key", [None, "wrong"])
async def test_a_wrong_key_is_named_by_its_setting_and_not_shown(server: QdrantServer, key: str | None) -> None:
    memory = opened(server, key=key)
    with pytest.raises(MemoryMisconfigured, match="AGENTKIT_LTM_API_KEY") as raised:
        await remember(memory, "Ada drinks tea")
    assert "wrong" not in str(raised.value)
    await memory.aclose()


async def test_the_key_is_in_no_log(server: QdrantServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    memory = opened(server)
    await remember(memory, "Ada drinks tea")
    await memory.aclose()
    assert API_KEY not in caplog.text


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_server_that_fails_for_now_can_be_asked_again(server: QdrantServer, status: int) -> None:
    memory = opened(server)
    await remember(memory, "Ada drinks tea")
    server.failing["/scroll"] = status
    with pytest.raises(MemoryUnavailable, match=rf"{server.url}.*{status}|doesn't respond"):
        await texts_of(memory)
    server.failing.clear()
    assert await texts_of(memory) == ["Ada drinks tea"]
    await memory.aclose()


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"null", b""])
async def test_another_server_at_the_address_is_named(body: bytes) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        memory = open_server_memory(url, WordEmbedder(), api_key=None, collection="m")
        with pytest.raises(MemoryUnavailable, match=f"the Qdrant server on {url} doesn't respond"):
            await texts_of(memory)
        await memory.aclose()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    memory = open_server_memory("http://127.0.0.1:1", WordEmbedder(), api_key=None, collection="m")
    with pytest.raises(MemoryUnavailable, match=r"127\.0\.0\.1:1 doesn't respond"):
        await texts_of(memory)
    await memory.aclose()


@pytest.mark.parametrize("url", ["ftp://a", "http://[::", "http://a:99999"])
def test_a_wrong_url_is_named_by_its_setting(url: str) -> None:
    with pytest.raises(MemoryMisconfigured, match="AGENTKIT_LTM_URL"):
        open_server_memory(url, WordEmbedder(), api_key=None, collection="m")


@pytest.mark.parametrize("embedder", [WordEmbedder("other"), WordEmbedder(dimension=64)], ids=["name", "dimension"])
async def test_another_model_is_refused_until_the_vectors_are_made_anew(
    server: QdrantServer, embedder: WordEmbedder
) -> None:
    first, second = opened(server), opened(server, embedder)
    texts = [f"Fact number {number}" for number in range(100, 200)]
    await remember(first, *texts)
    refusal = r"vectors of words \(128 dimensions\).* is (words|other) \((64|128) dim.*`opspawn memory reindex`"
    for call in [second.list(ADA, limit=1), remember(second, "x"), second.erase(ADA)]:
        with pytest.raises(MemoryMisconfigured, match=refusal):
            await call
    assert await second.reindex() == 100
    assert await texts_of(second) == texts
    assert [one.text for one in await second.recall(ADA, "Fact number 177", limit=1)] == ["Fact number 177"]
    with pytest.raises((MemoryMisconfigured, MemoryUnavailable), match="reindex"):  # it was open all along
        await remember(first, "x")
    assert await collections_of(server) == ["m-2"]
    await first.aclose()
    await second.aclose()


async def test_what_others_write_while_vectors_are_made_anew_is_not_lost(server: QdrantServer) -> None:
    first = opened(server)
    await remember(first, *(f"Fact number {number}" for number in range(5)))
    [gone, changed, *_] = (await first.list(ADA, limit=2)).memories

    class SlowEmbedder(WordEmbedder):
        async def embed(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
            if not self.texts:
                await remember(first, "Ada drinks tea")
                await first.forget(ADA, gone.id)
                await first.update(ADA, changed.id, MemoryChanges(text="The car is a blue Volvo"))
            return await super().embed(texts, kind)

    second = opened(server, SlowEmbedder("other"))
    assert await second.reindex() == 5
    texts = {f"Fact number {number}" for number in range(5)} - {gone.text, changed.text}
    assert await texts_of(second) == sorted(texts | {"Ada drinks tea", "The car is a blue Volvo"})
    await first.aclose()
    await second.aclose()


async def test_the_collection_stays_if_making_vectors_fails(server: QdrantServer) -> None:
    class FailingEmbedder(WordEmbedder):
        async def embed(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
            raise MemoryUnavailable("overloaded")

    first, second = opened(server), opened(server, FailingEmbedder("other"))
    await remember(first, "Ada drinks tea")
    with pytest.raises(MemoryUnavailable, match="overloaded"):
        await second.reindex()
    assert await texts_of(first) == ["Ada drinks tea"]
    assert await collections_of(server) == ["m-1"]
    await first.aclose()
    await second.aclose()


async def test_a_collection_of_something_else_is_left_alone(server: QdrantServer) -> None:
    from qdrant_client import models

    size = models.VectorParams(size=4, distance=models.Distance.COSINE)
    await server.engine.create_collection("m", vectors_config={"image": size})
    memory = opened(server)
    with pytest.raises(MemoryMisconfigured, match="AGENTKIT_LTM_COLLECTION"):
        await remember(memory, "Ada drinks tea")
    assert await collections_of(server) == ["m"]
    await memory.aclose()


async def test_a_memory_that_another_process_forgets_meanwhile_is_not_revived(server: QdrantServer) -> None:
    first = opened(server)
    one = (await first.remember(ADA, NewMemory(text="Ada drinks tea", key="1"))).memory

    class SlowEmbedder(WordEmbedder):
        async def embed(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
            await first.forget(ADA, one.id)
            return await super().embed(texts, kind)

    second = opened(server, SlowEmbedder())
    with pytest.raises(MemoryNotFound):
        await second.update(ADA, one.id, MemoryChanges(text="Ada drinks coffee"))
    assert await texts_of(first) == []
    await first.aclose()
    await second.aclose()


async def test_a_collection_that_was_deleted_is_made_again_by_the_next_attempt(server: QdrantServer) -> None:
    memory = opened(server)
    await remember(memory, "Ada drinks tea")
    await server.engine.delete_collection("m-1")
    with pytest.raises(MemoryUnavailable):
        await texts_of(memory)
    await remember(memory, "The car is a blue Volvo")
    assert await texts_of(memory) == ["The car is a blue Volvo"]
    await memory.aclose()
