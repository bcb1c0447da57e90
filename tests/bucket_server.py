"""A server with the part of S3's API that payload storage uses, over real HTTP, for tests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["BucketServer", "bucket_server"]


@dataclass
class BucketServer:
    """The objects of all buckets, by path, and the requests for them."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    writes: int = 0
    failing: bool = False
    """Whether each request gets a 403."""

    async def respond(self, request: Request) -> Response:
        path = request.url.path
        if self.failing or not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256"):
            return Response("<Error><Code>AccessDenied</Code></Error>", 403, media_type="application/xml")
        if request.method == "PUT":
            self.objects[path] = await request.body()
            self.writes += 1
            return Response(headers={"ETag": '"1"'})
        if path not in self.objects:
            return Response("<Error><Code>NoSuchKey</Code></Error>", 404, media_type="application/xml")
        headers = {"ETag": '"1"', "Last-Modified": "Thu, 26 Nov 2026 12:00:00 GMT"}
        return Response(self.objects[path], headers=headers)


@asynccontextmanager
async def bucket_server() -> AsyncIterator[BucketServer]:
    """Run a server with an empty bucket of any name."""
    bucket = BucketServer()
    app = Starlette(routes=[Route("/{path:path}", bucket.respond, methods=["GET", "HEAD", "PUT"])])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bucket.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield bucket
        server.should_exit = True
        await asyncio.wait_for(serving, 20)
