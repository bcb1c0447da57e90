"""Open the long-term memory that the settings name."""

from __future__ import annotations

from pathlib import Path

from agentkit.config.agent_settings import AgentSettings
from agentkit.config.memory_requirements import missing_memory_requirement
from agentkit.errors import ConfigurationInvalid, MemoryMisconfigured
from agentkit.interfaces import LongTermMemory
from agentkit.memory.embedded_memory import open_embedded_memory
from agentkit.memory.embedders.embedder_choice import open_embedder
from agentkit.memory.server_memory import open_server_memory

__all__ = ["open_memory"]


async def open_memory(settings: AgentSettings, directory: Path) -> LongTermMemory:
    """Return the memory of ``settings.memory_store``. Its packages are imported now; its first call opens it.

    Args:
        settings: which store, and which embedding model.
        directory: of the embedded memory's files. The caller makes sure that no other process uses it.

    Raises:
        MemoryUnavailable: the provider of embeddings doesn't respond; see ``open_embedder``.
        MemoryMisconfigured: memory is off, or a setting or a package is missing; the message says what to do.
    """
    store = settings.memory_store
    if store == "off":
        raise MemoryMisconfigured("Long-term memory is off, by AGENTKIT_LTM_PROVIDER")
    if missing := missing_memory_requirement(settings):
        raise MemoryMisconfigured(missing)
    if store == "embedded" or settings.ltm_url is None:
        return open_embedded_memory(directory, await open_embedder(settings))
    from agentkit.llm.shared.provider_credentials import checked_key

    try:
        key = checked_key("AGENTKIT_LTM_API_KEY", settings.ltm_api_key)
    except ConfigurationInvalid as error:
        raise MemoryMisconfigured(str(error)) from None
    embedder = await open_embedder(settings)
    try:
        return open_server_memory(settings.ltm_url, embedder, api_key=key, collection=settings.ltm_collection)
    except BaseException:
        await embedder.aclose()
        raise
