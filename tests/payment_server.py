"""A server that makes payments over real HTTP, for tests: it answers slowly, and pays again when it is asked again."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

__all__ = ["PaymentServer", "payment_server"]

_MAX_PROCESSING_S = 0.2
_MAX_RESPONSE_S = 0.8
_LATE_RESPONSE_S = 4.0
_LATE_SHARE = 0.05


@dataclass
class PaymentServer:
    """Payments, each a line ``KEY RECEIPT`` of the ledger file. A key that was paid before is paid again."""

    ledger: Path
    generator: random.Random
    """Decides how slow each response is."""
    url: str = ""
    is_slow: bool = True
    moments: int = 0
    """How many times a request came, a payment was made, or a response was due."""
    _passed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def receipts(self, key: str) -> list[str]:
        """Return the receipts of all payments with this key."""
        return [receipt for paid_key, receipt in self.payments() if paid_key == key]

    def payments(self) -> list[tuple[str, str]]:
        """Return the key and receipt of all payments."""
        lines = self.ledger.read_text().splitlines() if self.ledger.exists() else []
        return [(key, receipt) for key, receipt in (line.split() for line in lines)]

    async def wait_for_moments(self, count: int, timeout_s: float) -> None:
        """Wait until this many more moments have passed, or the time is over."""
        end = self.moments + count
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._passed:
                await self._passed.wait_for(lambda: self.moments >= end)

    async def pay(self, request: Request) -> Response:
        """Pay, and respond with the receipt; a client that is gone by then doesn't matter."""
        key = (await request.json())["key"]
        await self._pass_moment()
        await self._delay(_MAX_PROCESSING_S)
        receipt = f"receipt-{len(self.payments()) + 1}"
        with self.ledger.open("a") as ledger:
            ledger.write(f"{key} {receipt}\n")
        await self._pass_moment()
        late = self.generator.random() < _LATE_SHARE
        await self._delay(_MAX_RESPONSE_S, _LATE_RESPONSE_S if late else 0)
        await self._pass_moment()
        return JSONResponse({"receipt": receipt})

    async def find(self, request: Request) -> Response:
        """Respond with the receipt of a payment, or a 404."""
        receipts = self.receipts(request.path_params["key"])
        return JSONResponse({"receipt": receipts[0]}) if receipts else Response(status_code=404)

    async def _delay(self, longest_s: float, shortest_s: float = 0) -> None:
        if self.is_slow:
            await asyncio.sleep(shortest_s + self.generator.uniform(0, longest_s))

    async def _pass_moment(self) -> None:
        async with self._passed:
            self.moments += 1
            self._passed.notify_all()


@asynccontextmanager
async def payment_server(ledger: Path, seed: int) -> AsyncIterator[PaymentServer]:
    """Run a server; it reads and writes the file ``ledger``."""
    server = PaymentServer(ledger, random.Random(seed))
    routes = [
        Route("/payments", server.pay, methods=["POST"]),
        Route("/payments/{key:path}", server.find, methods=["GET"]),
    ]
    http = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        serving = asyncio.create_task(http.serve(sockets=[listener]))
        yield server
        http.should_exit = True
        await asyncio.wait_for(serving, 20)
