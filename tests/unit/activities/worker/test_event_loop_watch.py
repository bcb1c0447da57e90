from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio, logging, time
from activities.worker.event_loop_watch import watching_event_loop

def block_the_loop():
    time.sleep(1)

async def main():
    async with watching_event_loop(blocked_after_s=0.2, interval_s=0.1):
        await asyncio.sleep(0.2)
        block_the_loop()
        await asyncio.sleep(0.3)

logging.basicConfig()
asyncio.run(main())
"""


def test_what_blocks_the_event_loop_is_in_the_log() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert "in block_the_loop" in done.stderr
    assert "The event loop of this worker was blocked for" in done.stderr
