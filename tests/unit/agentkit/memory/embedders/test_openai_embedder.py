from __future__ import annotations

import pytest

from agentkit.memory.embedders.openai_embedder import OpenAIEmbedder
from agentkit.testing import RawResponse, ScriptedOpenAIServer, ServerResponse


async def test_the_request_has_the_model_and_the_key_and_asks_for_numbers() -> None:
    async with ScriptedOpenAIServer(lambda request: ServerResponse()) as server:
        embedder = OpenAIEmbedder("text-embedding-3-small", api_key="the-key", base_url=server.url, dimension=256)
        await embedder.embed(["one", ""], "document")
        await embedder.aclose()
    assert server.requests[0].body == {
        "model": "text-embedding-3-small",
        "input": ["one", "."],
        "encoding_format": "float",
        "dimensions": 256,
    }
    assert server.requests[0].headers["authorization"] == "Bearer the-key"


async def test_no_dimension_is_asked_for_unless_it_is_set() -> None:
    async with ScriptedOpenAIServer(lambda request: ServerResponse()) as server:
        embedder = OpenAIEmbedder("nomic-embed-text", base_url=server.url)
        await embedder.embed(["one"], "document")
        await embedder.aclose()
    assert "dimensions" not in server.requests[0].body


@pytest.mark.parametrize(("model", "dimension"), [("text-embedding-3-small", 1_536), ("text-embedding-3-large", 3_072)])
async def test_the_dimensions_of_openais_own_models_are_known(model: str, dimension: int) -> None:
    embedder = OpenAIEmbedder(model, api_key="the-key")
    assert embedder.dimension == dimension
    await embedder.aclose()


async def test_vectors_without_an_index_are_in_order() -> None:
    body = '{"data": [{"embedding": [1, 0]}, {"embedding": [0, 2]}]}'
    async with ScriptedOpenAIServer([RawResponse(body=body, content_type="application/json")]) as server:
        embedder = OpenAIEmbedder("other", base_url=server.url)
        assert await embedder.embed(["one", "two"], "document") == [[1.0, 0.0], [0.0, 1.0]]
        await embedder.aclose()
