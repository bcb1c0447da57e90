"""Download the OpenAPI documents that settings name by a URL."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from agentkit.config.openapi_settings import OpenApiSettings
from agentkit.errors import ToolError
from agentkit.interfaces import HttpClient, HttpRequest

__all__ = ["OpenApiDownloads"]

logger = logging.getLogger("opspawn.tools")

_MAX_BYTES = 5_000_000
_TIMEOUT_S = 20.0
_HEADERS = {"Accept": "application/json, application/yaml, text/yaml;q=0.9, */*;q=0.5"}


@dataclass(frozen=True)
class OpenApiDownloads:
    """The directory of downloaded documents. The API and other workers read what one worker has stored there."""

    directory: Path
    settings: Mapping[str, OpenApiSettings]
    client: HttpClient | None

    def urls(self) -> Mapping[str, str]:
        """Return the URL of each document that has one, by the document's name."""
        return {name: item.url for name, item in self.settings.items() if item.url is not None}

    def path(self, name: str) -> Path:
        """Return where a document is stored."""
        return self.directory / f"{name}.yaml"  # JSON is YAML, too

    async def run(self) -> bool:
        """Download all documents; return whether any is new. Of one that can't be downloaded the former one stays."""
        if self.client is None:
            return False
        downloads = (self._download(self.client, name, url) for name, url in self.urls().items())
        return any(await asyncio.gather(*downloads))

    async def _download(self, client: HttpClient, name: str, url: str) -> bool:
        try:
            reply = await client.send(HttpRequest("GET", url, _HEADERS), max_bytes=_MAX_BYTES, timeout_s=_TIMEOUT_S)
            if reply.status != HTTPStatus.OK or reply.text is None or reply.truncated:
                size = f", more than {_MAX_BYTES} bytes" if reply.truncated else ""
                raise ToolError(f"{url} is no document: status {reply.status}, {reply.media_type}{size}")
            return await asyncio.to_thread(self._store, self.path(name), reply.text)
        except (ToolError, OSError) as error:
            logger.warning("Setting openapi.%s: its document could not be downloaded: %s", name, error)
            return False

    def _store(self, path: Path, text: str) -> bool:
        data = text.encode()
        if path.is_file() and path.read_bytes() == data:
            return False
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        unfinished.write_bytes(data)
        unfinished.replace(path)  # at once, as others may read it now
        return True
