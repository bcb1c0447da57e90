from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE

import pytest

from agentkit.process_start import plain_environment, start_process
from tests.polling import eventually
from tests.process_states import children_of


@pytest.mark.parametrize("command", [("true",), ("sleep", "60")], ids=["one that ends at once", "one that lasts"])
@pytest.mark.parametrize("turns", range(8))
async def test_a_start_that_is_cancelled_at_any_time_leaves_no_process_and_no_descriptor(
    command: tuple[str, ...], turns: int
) -> None:
    await (await start_process("true", stdin=PIPE, stdout=PIPE, stderr=PIPE)).wait()
    before = len(os.listdir("/proc/self/fd"))
    starting = asyncio.create_task(start_process(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE))
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    async with asyncio.timeout(20):
        try:
            process = await starting
        except asyncio.CancelledError:
            pass
        else:  # it had started
            process.kill()
            await process.wait()
    del starting
    await eventually(lambda: len(os.listdir("/proc/self/fd")) <= before)


async def test_a_start_that_is_cancelled_twice_ends_the_process_all_the_same() -> None:
    starting = asyncio.create_task(start_process("sleep", "600.25", stdin=PIPE, stdout=PIPE, stderr=PIPE))
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await eventually(lambda: not any("600.25" in command for command in children_of(os.getpid()).values()))


async def test_a_program_that_is_missing_cannot_be_started() -> None:
    with pytest.raises(FileNotFoundError):
        await start_process("no-such-program")


def test_a_plain_environment_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "VAULT_TOKEN", "LC_ALL", "PYTHONUTF8", "OMP_NUM_THREADS", "PATH"):
        monkeypatch.setenv(name, "x")
    environment = plain_environment("OMP_")
    assert not {"OPENAI_API_KEY", "VAULT_TOKEN"} & environment.keys()
    assert {"LC_ALL", "PYTHONUTF8", "OMP_NUM_THREADS", "PATH"} <= environment.keys()
    assert "OMP_NUM_THREADS" not in plain_environment()


@pytest.mark.parametrize("name", ["NVIDIA_API_KEY", "nvidia_token", "NVIDIA_DB_PASSWORD", "NVIDIA_SECRET"])
def test_names_that_look_like_secrets_are_left_out(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    monkeypatch.setenv("NVIDIA_VISIBLE_DEVICES", "0")
    environment = plain_environment("NVIDIA_", "nvidia_")
    assert name not in environment
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "0"
