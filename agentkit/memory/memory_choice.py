"""Open the long-term memory that the settings name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from agentkit.config.agent_settings import AgentSettings
from agentkit.errors import ConfigurationInvalid, MemoryMisconfigured
from agentkit.interfaces import LongTermMemory
from agentkit.memory.embedders.embedder_choice import open_embedder
from agentkit.memory.embedders.extra_packages import require_packages

__all__ = ["open_memory"]


async def open_memory(settings: AgentSettings, directory: Path) -> LongTermMemory:
    """Return the memory of ``settings.memory_store``, whose packages are imported now; the first call opens it.

    Args:
        settings: which store, and which embedding model.
        directory: where the embedded memory's files are. Its caller is the only one that uses them.

    Raises:
        MemoryUnavailable: the provider of embeddings doesn't respond; see ``open_embedder``.
        MemoryMisconfigured: it is off, or a setting or a package is missing; the message has the cure.
    """
    store = settings.memory_store
    if store == "off":
        raise MemoryMisconfigured("Long-term memory is off, by AGENTKIT_LTM_PROVIDER")
    if store == "embedded":
        require_packages("The embedded long-term memory", "memory", "qdrant_edge")
        from agentkit.memory.embedded_memory import open_embedded_memory

        return open_embedded_memory(directory, await open_embedder(settings))
    if settings.ltm_url is None:
        raise MemoryMisconfigured(
            "AGENTKIT_LTM_PROVIDER is qdrant, and AGENTKIT_LTM_URL isn't set: it is the server's address, such as "
            "http://127.0.0.1:6333"
        )
    require_packages("Long-term memory on a Qdrant server", "memory", "qdrant_client")
    from agentkit.llm.shared.provider_credentials import checked_key

    try:
        key = checked_key("AGENTKIT_LTM_API_KEY", settings.ltm_api_key)
    except ConfigurationInvalid as error:
        raise MemoryMisconfigured(str(error)) from None
    open_server_memory = import_module("agentkit.memory.server_memory").open_server_memory
    embedder = await open_embedder(settings)
    memory: LongTermMemory = open_server_memory(
        settings.ltm_url, embedder, api_key=key, collection=settings.ltm_collection
    )
    return memory
