from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentkit.config.agent_settings import AgentSettings
from agentkit.errors import MemoryMisconfigured, MemoryUnavailable
from agentkit.memory.embedders.embedder_choice import open_embedder
from agentkit.testing import ScriptedGeminiServer, ScriptedOpenAIServer, ServerFailure, ServerResponse


@pytest.mark.parametrize(("embeddings", "dimension"), [("minilm", 384), ("multilingual", 512)])
async def test_a_model_on_this_machine_is_opened_by_its_name(tmp_path: Path, embeddings: str, dimension: int) -> None:
    embedder = await open_embedder(AgentSettings(app_dir=tmp_path, ltm_embeddings=embeddings))
    assert (embedder.name, embedder.dimension) == (embeddings, dimension)
    await embedder.aclose()


@pytest.mark.parametrize("provider", ["openai", "google", "openai-compatible"])
async def test_a_providers_model_is_opened_with_its_key_address_and_dimension(tmp_path: Path, provider: str) -> None:
    server_class = ScriptedGeminiServer if provider == "google" else ScriptedOpenAIServer
    prefix = provider.replace("-", "_")
    async with server_class(lambda request: ServerResponse()) as server:
        values = {f"{prefix}_base_url": server.url, f"{prefix}_api_key": "the-key\n"}
        embedder = await open_embedder(
            AgentSettings.model_validate({"app_dir": tmp_path, "ltm_embeddings": f"{provider}:scripted", **values})
        )
        assert (embedder.name, embedder.dimension) == (f"{provider}:scripted", 64)
        await embedder.aclose()
    assert "the-key" in str(server.requests[0].headers)


@pytest.mark.parametrize(
    ("embeddings", "needed"),
    [
        ("openai:x", "OPENAI_API_KEY"),
        ("google:x", "GOOGLE_API_KEY"),
        ("openai-compatible:x", "OPSPAWN_OPENAI_COMPATIBLE_BASE_URL"),
    ],
)
async def test_what_a_provider_lacks_is_named(tmp_path: Path, embeddings: str, needed: str) -> None:
    with pytest.raises(MemoryMisconfigured, match=f"AGENTKIT_LTM_EMBEDDINGS is {embeddings}, which needs {needed}"):
        await open_embedder(AgentSettings(app_dir=tmp_path, ltm_embeddings=embeddings))


async def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    values = {"app_dir": tmp_path, "ltm_embeddings": "openai:x", "openai_api_key": "ключ"}
    with pytest.raises(MemoryMisconfigured, match="OPENAI_API_KEY has characters that no key has"):
        await open_embedder(AgentSettings.model_validate(values))


async def test_a_provider_that_fails_is_reported_at_once(tmp_path: Path) -> None:
    async with ScriptedOpenAIServer(lambda request: ServerFailure(status=500)) as server:
        values = {"app_dir": tmp_path, "ltm_embeddings": "openai:x", "openai_base_url": server.url}
        with pytest.raises(MemoryUnavailable):
            await open_embedder(AgentSettings.model_validate(values))


def test_nothing_of_a_provider_is_imported_for_a_model_on_this_machine() -> None:
    code = (
        "import asyncio, sys; from agentkit.config.agent_settings import AgentSettings; "
        "from agentkit.memory.embedders.embedder_choice import open_embedder; "
        "asyncio.run(open_embedder(AgentSettings())); "
        "print([name for name in ('openai', 'google.genai', 'numpy', 'agentkit.llm') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("embeddings", ["minilm", "multilingual"])
def test_a_model_on_this_machine_opens_no_connection(embeddings: str) -> None:
    """Nothing is downloaded: it works without a home directory, in which a download could lie."""
    code = (
        "import asyncio, sys\n"
        "from agentkit.config.agent_settings import AgentSettings\n"
        "from agentkit.memory.embedders.embedder_choice import open_embedder\n"
        "events = []\n"
        "def audit(event, _):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
        "        events.append(event)\n"
        "sys.addaudithook(audit)\n"
        "async def main():\n"
        f"    embedder = await open_embedder(AgentSettings(ltm_embeddings={embeddings!r}))\n"
        "    vectors = await embedder.embed(['text'], 'query')\n"
        "    await embedder.aclose()\n"
        "    print(len(vectors), events)\n"
        "asyncio.run(main())\n"
    )
    environment = {"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert result.stdout == "1 []\n"
