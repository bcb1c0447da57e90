"""Let pages of Temporal's Web UI use the codec server, and nothing else of the API."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from activities.settings import Settings

__all__ = ["CODEC_PATH", "CodecCorsMiddleware", "web_ui_origins"]

CODEC_PATH = "/codec/"
_LOCAL_NAMES = ("localhost", "127.0.0.1")


class CodecCorsMiddleware:
    """Answers preflight requests for paths of the codec server."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        """Allow pages of ``origins``, as of ``web_ui_origins``."""
        self._app = app
        headers = ["Authorization", "Content-Type", "X-Namespace"]
        self._with_cors = CORSMiddleware(app, allow_origins=[*origins], allow_methods=["POST"], allow_headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        is_codec = scope["type"] == "http" and scope["path"].startswith(CODEC_PATH)
        await (self._with_cors if is_codec else self._app)(scope, receive, send)


def web_ui_origins(settings: Settings) -> frozenset[str]:
    """Return the origins of Temporal's Web UI; of one on this machine both of its usual names."""
    url = urlsplit(settings.temporal_ui_url)
    origin = f"{url.scheme}://{url.netloc}"
    if url.hostname not in _LOCAL_NAMES:
        return frozenset({origin})
    return frozenset(origin.replace(url.hostname, name, 1) for name in _LOCAL_NAMES)
