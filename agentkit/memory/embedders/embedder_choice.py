"""Open the embedding model that the settings name."""

from __future__ import annotations

from agentkit.config.agent_settings import AgentSettings
from agentkit.config.long_term_memory_settings import embedding_choice
from agentkit.config.memory_requirements import missing_embedding_requirement
from agentkit.errors import ConfigurationInvalid, MemoryMisconfigured
from agentkit.interfaces import Embedder
from agentkit.memory.embedders.minilm import MiniLmEmbedder
from agentkit.memory.embedders.multilingual import MultilingualEmbedder

__all__ = ["open_embedder"]


async def open_embedder(settings: AgentSettings) -> Embedder:
    """Return the embedding model of ``ltm_embeddings``. Its packages are imported now; a local model is loaded by its
    first call.

    A provider gets one request if the dimension of its model is unknown. The caller closes the embedder.

    Raises:
        MemoryUnavailable: the provider doesn't respond.
        MemoryMisconfigured: a key, an address or a package is missing; the message says what to do.
    """
    if missing := missing_embedding_requirement(settings):
        raise MemoryMisconfigured(missing)
    choice = embedding_choice(settings.ltm_embeddings)
    match choice.provider:
        case "minilm":
            return MiniLmEmbedder()
        case "multilingual":
            return MultilingualEmbedder()
        case provider:
            try:
                return await _open_provider(provider, choice.name, settings)
            except ConfigurationInvalid as error:
                raise MemoryMisconfigured(str(error)) from None


async def _open_provider(provider: str, model: str, settings: AgentSettings) -> Embedder:
    # Imported here: the SDKs of providers take seconds and 50 MB.
    from agentkit.llm.shared.provider_credentials import KEY_VARIABLES, checked_key, checked_url
    from agentkit.memory.embedders.google_embedder import GoogleEmbedder
    from agentkit.memory.embedders.openai_embedder import OpenAIEmbedder
    from agentkit.memory.embedders.provider_embedder import EmbedderTimeouts

    variable = KEY_VARIABLES[provider]
    timeouts = EmbedderTimeouts(connect=settings.model_connect_timeout)
    dimension = settings.ltm_dimension
    embedder: GoogleEmbedder | OpenAIEmbedder
    match provider:
        case "google":
            key = checked_key(variable, settings.google_api_key)
            url = checked_url("OPSPAWN_GOOGLE_BASE_URL", settings.google_base_url)
            embedder = GoogleEmbedder(model, api_key=key, base_url=url, dimension=dimension, timeouts=timeouts)
        case "openai":
            key = checked_key(variable, settings.openai_api_key)
            url = checked_url("OPENAI_BASE_URL", settings.openai_base_url)
            embedder = OpenAIEmbedder(model, api_key=key, base_url=url, dimension=dimension, timeouts=timeouts)
        case _:
            key = checked_key(variable, settings.openai_compatible_api_key)
            url = checked_url("OPSPAWN_OPENAI_COMPATIBLE_BASE_URL", settings.openai_compatible_base_url)
            embedder = OpenAIEmbedder(
                model,
                api_key=key,
                base_url=url,
                provider=provider,
                key_variable=variable,
                dimension=dimension,
                timeouts=timeouts,
            )
    try:
        await embedder.learn_dimension()
    except BaseException:
        await embedder.aclose()
        raise
    return embedder
