"""Embedding models of OpenAI, and of servers with its API, by OpenAI's SDK."""

from __future__ import annotations

from collections.abc import Sequence

from openai import AsyncOpenAI, omit

from agentkit.errors import ModelError
from agentkit.interfaces import EmbeddedKind
from agentkit.llm.openai.errors import FAILURES, model_error
from agentkit.llm.shared.failures import ProviderEndpoint, public_url
from agentkit.llm.shared.streaming_model import PLACEHOLDER_KEY
from agentkit.memory.embedders.provider_embedder import EmbedderTimeouts, ProviderEmbedder
from agentkit.records import Record

__all__ = ["OpenAIEmbedder"]

_OPENAI_URL = "https://api.openai.com/v1"
_DIMENSIONS = {"text-embedding-3-small": 1_536, "text-embedding-3-large": 3_072, "text-embedding-ada-002": 1_536}
"""Dimensions of OpenAI's own models."""


class _Embedding(Record):
    embedding: tuple[float, ...]
    index: int | None = None


class _EmbeddingsResponse(Record):
    data: tuple[_Embedding, ...]


class OpenAIEmbedder(ProviderEmbedder):
    """Requests vectors from ``/v1/embeddings``; documents and queries are treated alike."""

    failures = FAILURES

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        provider: str = "openai",
        key_variable: str = "OPENAI_API_KEY",
        dimension: int | None = None,
        timeouts: EmbedderTimeouts = EmbedderTimeouts(),  # noqa: B008  it is frozen
    ) -> None:
        """Set up the client; nothing is sent yet.

        Args:
            model: such as ``text-embedding-3-small``.
            api_key: None for servers without keys.
            base_url: the server's address, up to ``/v1``; None is OpenAI's own.
            provider: the name in error messages.
            key_variable: the environment variable that errors name if the key is refused.
            dimension: how many numbers the provider is asked for; None: the model's own number.
            timeouts: how long to wait.
        """
        key, url = api_key or PLACEHOLDER_KEY, base_url or _OPENAI_URL
        known = _DIMENSIONS.get(model) if base_url is None else None
        super().__init__(
            ProviderEndpoint(provider, public_url(url), key_variable, key),
            model,
            known_dimension=known,
            requested_dimension=dimension,
            timeouts=timeouts,
        )
        self._client = AsyncOpenAI(api_key=key, base_url=url, max_retries=0, http_client=self._http)

    async def _request(self, texts: Sequence[str], kind: EmbeddedKind) -> Sequence[Sequence[float]]:
        response = await self._client.embeddings.with_raw_response.create(
            model=self._model,
            input=list(texts),
            encoding_format="float",  # not every server has base64, which the SDK would ask for
            dimensions=omit if self._requested_dimension is None else self._requested_dimension,
        )
        data = _EmbeddingsResponse.model_validate_json(response.content).data
        if all(item.index is not None for item in data):
            data = tuple(sorted(data, key=lambda item: item.index or 0))
        return [item.embedding for item in data]

    def _map_error(self, error: Exception) -> ModelError:
        return model_error(error, self._endpoint)
