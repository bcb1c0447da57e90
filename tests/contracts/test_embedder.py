"""The contract of ``Embedder``, over each model on this machine and each provider's API by real HTTP."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from agentkit.interfaces import Embedder
from agentkit.memory.embedders.google_embedder import GoogleEmbedder
from agentkit.memory.embedders.minilm import MiniLmEmbedder
from agentkit.memory.embedders.multilingual import MultilingualEmbedder
from agentkit.memory.embedders.openai_embedder import OpenAIEmbedder
from agentkit.testing import ScriptedGeminiServer, ScriptedOpenAIServer, ServerResponse

LOCAL: dict[str, Callable[[], Embedder]] = {"minilm": MiniLmEmbedder, "multilingual": MultilingualEmbedder}
DIMENSIONS = {
    "minilm": 384,
    "multilingual": 512,
    "openai:scripted": 64,
    "google:scripted": 64,
    "openai-compatible:scripted": 64,
}


@pytest.fixture(scope="module")
def local_embedders() -> Iterator[dict[str, Embedder]]:
    """The models on this machine: each takes seconds to load."""
    embedders = {name: build() for name, build in LOCAL.items()}
    yield embedders
    for embedder in embedders.values():
        asyncio.run(embedder.aclose())


@asynccontextmanager
async def _remote(name: str) -> AsyncIterator[Embedder]:
    provider = name.partition(":")[0]
    server_class = ScriptedGeminiServer if provider == "google" else ScriptedOpenAIServer
    async with server_class(lambda request: ServerResponse()) as server:
        remote = (
            GoogleEmbedder("scripted", base_url=server.url)
            if provider == "google"
            else OpenAIEmbedder("scripted", base_url=server.url, provider=provider)
        )
        await remote.learn_dimension()
        yield remote
        await remote.aclose()


@pytest.fixture(params=DIMENSIONS)
async def embedder(request: pytest.FixtureRequest, local_embedders: dict[str, Embedder]) -> AsyncIterator[Embedder]:
    if request.param in local_embedders:
        yield local_embedders[request.param]
    else:
        async with _remote(request.param) as remote:
            yield remote


def cosine(one: list[float] | tuple[float, ...], other: list[float] | tuple[float, ...]) -> float:
    return sum(map(lambda left, right: left * right, one, other))


async def test_each_text_gets_a_vector_of_length_1_and_of_the_dimension(embedder: Embedder) -> None:
    texts = ["The meeting is on Tuesday.", "Die Katze schläft.", "他住在北京。"]
    vectors = await embedder.embed(texts, "document")
    assert [len(vector) for vector in vectors] == [DIMENSIONS[embedder.name]] * 3
    assert embedder.dimension == DIMENSIONS[embedder.name]
    for vector in vectors:
        assert math.hypot(*vector) == pytest.approx(1.0, abs=1e-6)


async def test_texts_with_the_same_words_are_nearer_than_others(embedder: Embedder) -> None:
    question, near, far = await embedder.embed(
        ["Where does my sister Ada live?", "My sister Ada lives in Berlin.", "Bread costs four euros at the bakery."],
        "document",
    )
    assert cosine(list(question), list(near)) > cosine(list(question), list(far)) + 0.1


async def test_the_vector_of_a_text_does_not_depend_on_others_in_the_call(embedder: Embedder) -> None:
    texts = [f"Note {number}: {'word ' * (number % 40)}" for number in range(70)]
    together = await embedder.embed(texts, "document")
    assert len(together) == 70
    for number in (0, 1, 31, 32, 69):
        (alone,) = await embedder.embed([texts[number]], "document")
        assert list(alone) == pytest.approx(list(together[number]), abs=1e-6)


async def test_the_name_has_the_provider(embedder: Embedder, request: pytest.FixtureRequest) -> None:
    assert embedder.name in request.node.callspec.id


async def test_no_texts_have_no_vectors(embedder: Embedder) -> None:
    assert list(await embedder.embed([], "query")) == []


async def test_blank_long_and_broken_texts_have_vectors(embedder: Embedder) -> None:
    texts = ["", " \n", "a" * 100_000, "many words " * 10_000, "\ud800 half a character", "\x00", "🙂" * 300]
    for vector in await embedder.embed(texts, "query"):
        assert math.hypot(*vector) == pytest.approx(1.0, abs=1e-6)


async def test_calls_at_the_same_time_each_get_their_vectors(embedder: Embedder) -> None:
    texts = [f"Text number {number}" for number in range(12)]
    expected = await embedder.embed(texts, "document")
    results = await asyncio.gather(*(embedder.embed([text], "document") for text in texts))
    for (vector,), wanted in zip(results, expected, strict=True):
        assert list(vector) == pytest.approx(list(wanted), abs=1e-6)
