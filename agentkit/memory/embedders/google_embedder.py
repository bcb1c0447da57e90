"""Embedding models of Google's Gemini API."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from agentkit.errors import ModelError
from agentkit.interfaces import EmbeddedKind
from agentkit.llm.google.address import google_api_url
from agentkit.llm.google.errors import FAILURES, GoogleFailure, model_error
from agentkit.llm.shared.failures import ProviderEndpoint, public_url
from agentkit.llm.shared.streaming_model import PLACEHOLDER_KEY
from agentkit.memory.embedders.provider_embedder import EmbedderTimeouts, ProviderEmbedder
from agentkit.records import Record

__all__ = ["GoogleEmbedder"]

_DIMENSIONS = {"gemini-embedding-001": 3_072}
_TASK_TYPES = {"document": "RETRIEVAL_DOCUMENT", "query": "RETRIEVAL_QUERY"}


class _ContentEmbedding(Record):
    values: tuple[float, ...]


class _BatchResponse(Record):
    embeddings: tuple[_ContentEmbedding, ...]


class GoogleEmbedder(ProviderEmbedder):
    """Requests vectors from ``batchEmbedContents`` over HTTP, without Google's SDK, as ``GoogleModel`` does."""

    failures = FAILURES

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        dimension: int | None = None,
        timeouts: EmbedderTimeouts = EmbedderTimeouts(),  # noqa: B008  it is frozen
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            model: such as ``gemini-embedding-001``.
            api_key: None for servers without keys.
            base_url: the server's address; None is Google's own.
            dimension: how many numbers the provider is asked for; None: the model's own number.
            timeouts: how long to wait.
        """
        key = api_key or PLACEHOLDER_KEY
        url = google_api_url(base_url)
        super().__init__(
            ProviderEndpoint("google", public_url(url), "GOOGLE_API_KEY", key),
            model,
            known_dimension=_DIMENSIONS.get(model),
            requested_dimension=dimension,
            timeouts=timeouts,
        )
        self._path = model if "/" in model else f"models/{model}"
        self._url = f"{url}/{self._path}:batchEmbedContents"
        self._http.headers["x-goog-api-key"] = key

    async def _request(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
        response = await self._http.post(self._url, json={"requests": [self._body(text, kind) for text in texts]})
        if not response.is_success:
            raise GoogleFailure(response.status_code, response.content, response)
        return [item.values for item in _BatchResponse.model_validate_json(response.content).embeddings]

    def _body(self, text: str, kind: EmbeddedKind) -> dict[str, JsonValue]:
        body: dict[str, JsonValue] = {
            "model": self._path,
            "content": {"parts": [{"text": text}]},
            "taskType": _TASK_TYPES[kind],
        }
        if self._requested_dimension is not None:
            body["outputDimensionality"] = self._requested_dimension
        return body

    def _map_error(self, error: Exception) -> ModelError:
        return model_error(error, self._endpoint)
