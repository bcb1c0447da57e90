"""What the embedders of all providers do alike, over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from agentkit.errors import LongTermMemoryError, MemoryMisconfigured, MemoryUnavailable
from agentkit.memory.embedders.google_embedder import GoogleEmbedder
from agentkit.memory.embedders.openai_embedder import OpenAIEmbedder
from agentkit.memory.embedders.provider_embedder import EmbedderTimeouts, ProviderEmbedder
from agentkit.testing import (
    RawResponse,
    ReceivedEmbeddingRequest,
    ReceivedRequest,
    ScriptedGeminiServer,
    ScriptedOpenAIServer,
    ServerFailure,
    ServerResponse,
    ServerScript,
    ServerScriptEntry,
)
from agentkit.testing.scripted_server import ScriptedServer

KEY = "sk-0123456789abcdef-secret"


class Provider:
    """A provider's server, and the embedder that uses it."""

    def __init__(self, name: str, script: Sequence[ServerScriptEntry] | ServerScript) -> None:
        self.name = name
        self.server: ScriptedServer = ScriptedGeminiServer(script) if name == "google" else ScriptedOpenAIServer(script)

    def embedder(self, *, dimension: int | None = None, timeout: float = 10.0) -> ProviderEmbedder:
        timeouts = EmbedderTimeouts(response=timeout)
        build = GoogleEmbedder if self.name == "google" else OpenAIEmbedder
        return build("scripted", api_key=KEY, base_url=self.server.url, dimension=dimension, timeouts=timeouts)

    @property
    def texts(self) -> list[Sequence[str]]:
        return [request.texts for request in self.server.requests if isinstance(request, ReceivedEmbeddingRequest)]


@pytest.fixture(params=["openai", "google"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def provider(name: str) -> AsyncIterator[Provider]:
    responding = Provider(name, lambda request: ServerResponse())
    async with responding.server:
        yield responding


async def _error(name: str, entry: ServerScriptEntry, *, timeout_s: float = 10.0) -> tuple[LongTermMemoryError, int]:
    """Return what a response raises, and how many requests were sent."""
    failing = Provider(name, lambda request: entry)
    async with failing.server:
        embedder = failing.embedder(timeout=timeout_s)
        with pytest.raises(LongTermMemoryError) as caught:
            await embedder.embed(["text"], "query")
        await embedder.aclose()
    return caught.value, failing.server.request_count


@pytest.mark.parametrize(
    ("entry", "error", "message"),
    [
        pytest.param(ServerFailure(status=503, message="Overloaded"), MemoryUnavailable, "Overloaded", id="503"),
        pytest.param(ServerFailure(status=429, message="Slow down"), MemoryUnavailable, "Slow down", id="429"),
        pytest.param(
            ServerFailure(status=401, message=f"Wrong key {KEY}"), MemoryMisconfigured, "_API_KEY", id="wrong-key"
        ),
        pytest.param(ServerFailure(status=404, message="No such model"), MemoryMisconfigured, "No such", id="404"),
        pytest.param(ServerFailure(status=400, message="Bad request"), MemoryMisconfigured, "Bad", id="400"),
        pytest.param(RawResponse(body="<html>"), MemoryUnavailable, "no response of its API", id="no-json"),
        pytest.param(
            RawResponse(body='{"data": [], "embeddings": []}', content_type="application/json"),
            MemoryUnavailable,
            "0 vectors for 1 texts",
            id="too-few",
        ),
        pytest.param(
            RawResponse(
                body='{"data": [{"embedding": [0, 0]}], "embeddings": [{"values": [0, 0]}]}',
                content_type="application/json",
            ),
            MemoryUnavailable,
            "zero",
            id="zero",
        ),
        pytest.param(
            RawResponse(status=307, body="", headers={"location": "http://127.0.0.1:9/v1"}),
            MemoryMisconfigured,
            "redirects",
            id="redirect",
        ),
    ],
)
async def test_each_failure_is_one_of_memory_after_one_request(
    name: str, entry: ServerScriptEntry, error: type[LongTermMemoryError], message: str
) -> None:
    raised, requests = await _error(name, entry)
    assert type(raised) is error
    assert message in str(raised)
    assert f"{name}:scripted" in str(raised)
    assert KEY not in str(raised)
    assert requests == 1
    assert raised.__cause__ is None, "the SDK's error may quote the key"


async def test_a_provider_that_does_not_respond_in_time_is_unavailable(name: str) -> None:
    raised, _ = await _error(name, ServerResponse(delay=30), timeout_s=0.2)
    assert type(raised) is MemoryUnavailable
    assert "did not respond in time" in str(raised)


async def test_a_response_that_comes_in_drips_does_not_hold_up_a_task(name: str) -> None:
    has_ended = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n")
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        has_ended.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    build = GoogleEmbedder if name == "google" else OpenAIEmbedder
    embedder = build("scripted", base_url=url, timeouts=EmbedderTimeouts(response=0.5))
    with pytest.raises(MemoryUnavailable, match="did not respond in time"):
        async with asyncio.timeout(10):
            await embedder.learn_dimension()
    await embedder.aclose()
    async with asyncio.timeout(10):
        await has_ended.wait()
    server.close()
    await server.wait_closed()


async def test_a_server_that_is_not_there_is_unavailable(name: str) -> None:
    async with Provider(name, []).server as server:
        url = server.url
    build = GoogleEmbedder if name == "google" else OpenAIEmbedder
    embedder = build("scripted", base_url=url)
    with pytest.raises(MemoryUnavailable, match="connection"):
        await embedder.learn_dimension()
    await embedder.aclose()


async def test_texts_are_sent_in_batches_and_their_order_is_kept(provider: Provider) -> None:
    embedder = provider.embedder()
    texts = [f"text {number}" for number in range(70)]
    vectors = await embedder.embed(texts, "document")
    assert [len(batch) for batch in provider.texts] == [32, 32, 6]
    assert [text for batch in provider.texts for text in batch] == texts
    (last,) = await embedder.embed(["text 69"], "document")
    assert list(vectors[69]) == list(last)
    await embedder.aclose()


async def test_the_dimension_is_learned_by_one_request_unless_it_is_set(provider: Provider) -> None:
    embedder = provider.embedder()
    with pytest.raises(RuntimeError, match="learn_dimension"):
        _ = embedder.dimension
    await embedder.learn_dimension()
    await embedder.learn_dimension()
    assert embedder.dimension == 64
    assert provider.server.request_count == 1
    await embedder.aclose()

    smaller = provider.embedder(dimension=16)
    await smaller.learn_dimension()
    assert smaller.dimension == 16
    assert provider.server.request_count == 1
    ((*vector,),) = await smaller.embed(["text"], "query")
    assert len(vector) == 16, "the provider was asked for it"
    await smaller.aclose()


async def test_another_dimension_than_the_set_one_is_refused_with_the_cure(name: str) -> None:
    body = '{"data": [{"embedding": [1, 2, 3]}], "embeddings": [{"values": [1, 2, 3]}]}'
    wrong = Provider(name, lambda request: RawResponse(body=body, content_type="application/json"))
    async with wrong.server:
        embedder = wrong.embedder(dimension=16)
        with pytest.raises(MemoryMisconfigured, match="set AGENTKIT_LTM_DIMENSION=3"):
            await embedder.embed(["text"], "query")
        await embedder.aclose()


async def test_texts_that_are_too_long_for_a_model_are_cut_until_they_fit(name: str) -> None:
    def at_most_1000_characters(request: ReceivedRequest) -> ServerScriptEntry:
        assert isinstance(request, ReceivedEmbeddingRequest)
        fits = max(map(len, request.texts)) <= 1_000
        return ServerResponse() if fits else ServerFailure(status=413, message="The input is too large")

    strict = Provider(name, at_most_1000_characters)
    async with strict.server:
        embedder = strict.embedder()
        assert len(await embedder.embed(["word " * 10_000, "short"], "document")) == 2
        assert [len(batch[0]) for batch in strict.texts] == [4_000, 2_000, 1_000]
        await embedder.embed(["word " * 10_000], "document")
        assert len(strict.texts[-1][0]) == 1_000, "it is remembered"
        await embedder.aclose()


async def test_a_model_that_takes_no_text_at_all_is_misconfigured(name: str) -> None:
    raised, requests = await _error(name, ServerFailure(status=413, message="The input is too large"))
    assert type(raised) is MemoryMisconfigured
    assert requests == 1, "the text is short already"


async def test_repr_has_no_key(provider: Provider) -> None:
    embedder = provider.embedder()
    assert KEY not in repr(embedder)
    assert f"{provider.name}:scripted" in repr(embedder)
    await embedder.aclose()
