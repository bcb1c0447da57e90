from __future__ import annotations

import asyncio
import signal
import stat
import sys
from pathlib import Path

from activities.memory.owner_lock import OwnerLock

_HOLDER = """
import sys, pathlib
from activities.memory.owner_lock import OwnerLock
print(OwnerLock(pathlib.Path(sys.argv[1])).acquire(), flush=True)
sys.stdin.read()
"""


async def test_one_object_holds_it_until_it_is_released(tmp_path: Path) -> None:
    path = tmp_path / "memory" / "owner.lock"
    first, second = OwnerLock(path), OwnerLock(path)
    assert (first.acquire(), first.acquire(), second.acquire()) == (True, True, False)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    first.release()
    assert second.acquire()
    second.release()


async def test_who_waits_gets_it_soon_after_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "owner.lock"
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLDER, str(path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await asyncio.wait_for(holder.stdout.readline(), 20) == b"True\n"
    assert not OwnerLock(path).acquire()
    entering = asyncio.create_task(OwnerLock(path).__aenter__())
    holder.send_signal(signal.SIGKILL)
    lock = await asyncio.wait_for(entering, 3)
    lock.release()
    await holder.wait()
