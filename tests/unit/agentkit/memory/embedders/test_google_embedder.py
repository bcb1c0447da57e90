from __future__ import annotations

from agentkit.memory.embedders.google_embedder import GoogleEmbedder
from agentkit.testing import ScriptedGeminiServer, ServerResponse


async def test_documents_and_queries_are_sent_as_such() -> None:
    async with ScriptedGeminiServer(lambda request: ServerResponse()) as server:
        embedder = GoogleEmbedder("gemini-embedding-001", api_key="the-key", base_url=server.url, dimension=768)
        await embedder.embed(["a note"], "document")
        await embedder.embed(["a question"], "query")
        await embedder.aclose()
    document, query = (request.body["requests"][0] for request in server.requests)
    assert document == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "a note"}]},
        "taskType": "RETRIEVAL_DOCUMENT",
        "outputDimensionality": 768,
    }
    assert query["taskType"] == "RETRIEVAL_QUERY"
    assert server.requests[0].headers["x-goog-api-key"] == "the-key"


async def test_the_dimension_of_googles_model_is_known() -> None:
    embedder = GoogleEmbedder("gemini-embedding-001", api_key="the-key")
    assert embedder.dimension == 3_072
    await embedder.aclose()
