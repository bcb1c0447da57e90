from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import httpx2

MODULE = "agentkit.testing.openai_server"


async def _start(script: Path) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", MODULE, "--script", str(script), stdout=pipe, stderr=pipe
    )


async def test_it_prints_its_url_serves_and_ends_cleanly(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"by": "step", "responses": [{"text": "Noon."}]}')
    server = await _start(script)
    try:
        async with asyncio.timeout(30), httpx2.AsyncClient() as client:
            assert server.stdout is not None
            url = (await server.stdout.readline()).decode().strip()
            response = await client.post(f"{url}/chat/completions", json={"messages": [{"role": "user"}]})
            assert response.json()["choices"][0]["message"]["content"] == "Noon."
            server.send_signal(signal.SIGTERM)
            _, errors = await server.communicate()
            assert (server.returncode, errors) == (0, b"")
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()


async def test_an_invalid_script_is_rejected_with_its_name_and_the_key(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"responses": [{"txt": "Noon."}]}')
    async with asyncio.timeout(30):
        server = await _start(script)
        _, errors = await server.communicate()
    assert server.returncode == 2
    assert "script.json" in errors.decode()
    assert "txt" in errors.decode()
