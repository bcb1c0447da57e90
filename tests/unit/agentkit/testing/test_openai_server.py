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


async def test_it_prints_its_address_serves_and_ends_cleanly(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"by": "step", "answers": [{"text": "Noon."}]}')
    server = await _start(script)
    try:
        async with asyncio.timeout(30), httpx2.AsyncClient() as client:
            assert server.stdout is not None
            url = (await server.stdout.readline()).decode().strip()
            answer = await client.post(f"{url}/chat/completions", json={"messages": [{"role": "user"}]})
            assert answer.json()["choices"][0]["message"]["content"] == "Noon."
            server.send_signal(signal.SIGTERM)
            _, said = await server.communicate()
            assert (server.returncode, said) == (0, b"")
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()


async def test_a_wrong_script_is_refused_by_name(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"answers": [{"txt": "Noon."}]}')
    async with asyncio.timeout(30):
        server = await _start(script)
        _, said = await server.communicate()
    assert server.returncode == 2
    assert "script.json" in said.decode()
    assert "txt" in said.decode()
