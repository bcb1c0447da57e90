"""Run a scripted OpenAI server in a process of its own, for tests and benchmarks.

``python -m agentkit.testing.openai_server --script FILE.json`` prints the base URL and serves until it is
terminated. The file is a ``ScriptFile``, such as ``{"benchmark": {"steps": 50}}`` or
``{"by": "step", "responses": [{"calls": [{"name": "clock"}]}, {"text": "It is noon."}]}``.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from agentkit.testing.scripted_openai import ScriptedOpenAIServer
from agentkit.testing.server_script import ServerScript, read_script

__all__ = ["ScriptedOpenAIServer", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m agentkit.testing.openai_server", description=__doc__)
    parser.add_argument("--script", type=Path, required=True, help="JSON file with the responses")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) is any free port")
    options = parser.parse_args(arguments)
    try:
        script = read_script(options.script)
    except (OSError, ValidationError) as error:
        parser.error(f"{options.script}: {error}")
    asyncio.run(_serve(script, options.port))
    return 0


async def _serve(script: ServerScript, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with ScriptedOpenAIServer(script, port=port, keep_requests=False) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
