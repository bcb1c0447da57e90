"""Types of the settings ``AGENTKIT_LTM_*``: where long-term memory is, and which model computes its vectors."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

__all__ = ["CollectionName", "EmbeddingChoice", "Embeddings", "MemoryStoreKind", "MemoryUrl", "embedding_choice"]

MemoryStoreKind = Literal["embedded", "qdrant", "off"]
"""``embedded``: files of one machine; ``qdrant``: a Qdrant server; ``off``: no long-term memory."""

_REMOTE = re.compile(r"(openai|google|openai-compatible):(\S+)")
_EXPECTED_EMBEDDINGS = "expected minilm, multilingual, openai:NAME, google:NAME or openai-compatible:NAME"


def _check_embeddings(text: str) -> str:
    if text not in ("minilm", "multilingual") and not _REMOTE.fullmatch(text):
        raise ValueError(_EXPECTED_EMBEDDINGS)
    return text


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or parts.username is not None or parts.query or parts.fragment or not url.isprintable():
        raise ValueError(
            "expected a URL such as http://127.0.0.1:6333, without user name: AGENTKIT_LTM_API_KEY is the key"
        )
    return url.rstrip("/")


CollectionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,199}$")]

Embeddings = Annotated[str, Field(max_length=200), AfterValidator(_check_embeddings)]
"""Which model computes vectors: ``embedding_choice`` parses it."""

MemoryUrl = Annotated[str, Field(max_length=2_000), AfterValidator(_check_url)]
"""The base URL of a Qdrant server."""


@dataclass(frozen=True, slots=True)
class EmbeddingChoice:
    """A parsed ``Embeddings``."""

    provider: Literal["minilm", "multilingual", "openai", "google", "openai-compatible"]
    """The first two are models on this machine."""
    name: str = ""
    """The provider's name of the model; empty for those on this machine."""


def embedding_choice(text: str) -> EmbeddingChoice:
    """Return the model that a valid ``Embeddings`` names."""
    remote = _REMOTE.fullmatch(text)
    if remote is not None:
        return EmbeddingChoice(cast("Literal['openai', 'google', 'openai-compatible']", remote[1]), remote[2])
    return EmbeddingChoice("multilingual" if text == "multilingual" else "minilm")
