"""A server with the part of S3's API that payload storage uses, over real HTTP, for tests."""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, unescape

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
    refuses_deletes: bool = False
    """Whether no object may be deleted, as of credentials without ``s3:DeleteObject``."""

    async def respond(self, request: Request) -> Response:
        path = request.url.path
        if self.failing or not request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256"):
            return Response("<Error><Code>AccessDenied</Code></Error>", 403, media_type="application/xml")
        if request.method == "PUT":
            if not self._may_write(request):
                return Response("<Error><Code>PreconditionFailed</Code></Error>", 412, media_type="application/xml")
            self.objects[path] = await request.body()
            self.writes += 1
            return Response(headers={"ETag": self._etag(path)})
        if request.method == "POST" and "delete" in request.query_params:
            keys = re.findall(r"<Key>(.*?)</Key>", (await request.body()).decode())
            if self.refuses_deletes:
                denied = "<Code>AccessDenied</Code><Message>Access Denied</Message>"
                errors = "".join(f"<Error><Key>{key}</Key>{denied}</Error>" for key in keys)
                return Response(f"<DeleteResult>{errors}</DeleteResult>", media_type="application/xml")
            for key in keys:
                self.objects.pop(f"{path.rstrip('/')}/{unescape(key)}", None)
            deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            return Response(f"<DeleteResult>{deleted}</DeleteResult>", media_type="application/xml")
        if request.method == "GET" and request.query_params.get("list-type") == "2":
            return Response(self._listed(path, request.query_params), media_type="application/xml")
        if path not in self.objects:
            return Response("<Error><Code>NoSuchKey</Code></Error>", 404, media_type="application/xml")
        headers = {"ETag": self._etag(path), "Last-Modified": "Thu, 26 Nov 2026 12:00:00 GMT"}
        return Response(self.objects[path], headers=headers)

    def _may_write(self, request: Request) -> bool:
        path, expected = request.url.path, request.headers.get("if-match")
        if expected is not None:
            return path in self.objects and expected == self._etag(path)
        return request.headers.get("if-none-match") is None or path not in self.objects

    def _etag(self, path: str) -> str:
        return f'"{hashlib.sha256(self.objects[path]).hexdigest()}"'

    def _listed(self, bucket: str, query: Mapping[str, str]) -> str:
        """Return the objects with a prefix, and with a delimiter the prefixes one level below, in one page."""
        start = f"{bucket.rstrip('/')}/"
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        keys = [path.removeprefix(start) for path in self.objects if path.startswith(start + prefix)]
        contents, prefixes = "", set[str]()
        for key in keys:
            head, found, _ = key.removeprefix(prefix).partition(delimiter) if delimiter else (key, "", "")
            if found:
                prefixes.add(f"{prefix}{head}{found}")
                continue
            size = len(self.objects[start + key])
            contents += f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size>{_TIME}</Contents>"
        common = "".join(f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in prefixes)
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}{common}</ListBucketResult>"


_TIME = "<LastModified>2026-11-26T12:00:00.000Z</LastModified><ETag>1</ETag>"


@asynccontextmanager
async def bucket_server() -> AsyncIterator[BucketServer]:
    """Run a server with an empty bucket of any name."""
    bucket = BucketServer()
    app = Starlette(routes=[Route("/{path:path}", bucket.respond, methods=["GET", "HEAD", "POST", "PUT"])])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        bucket.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        yield bucket
        server.should_exit = True
        await asyncio.wait_for(serving, 20)
