"""Refuse what pages of other sites send, and requests to names that aren't this API's."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Mapping
from functools import lru_cache
from ipaddress import ip_address
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from activities.settings import Settings
from api.rest.problems import problem_response
from api.rest.request_bodies import is_json

__all__ = ["CrossSiteMiddleware", "allowed_hosts"]

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s/@:?#\[\]]+)(:[0-9]{0,5})?", re.IGNORECASE)
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_JSON_LINES = "application/jsonl"
"""As JSON, it can't be sent by forms."""


class CrossSiteMiddleware:
    """Refuses requests whose ``Host`` isn't allowed, requests of other sites' pages, and changes that forms can send.

    ``Host`` is checked because a page may make its own name resolve to this machine (DNS rebinding): its requests then
    have its name. Addresses are no names, and always allowed. Requests of another site's page are refused even where
    it couldn't read the response: each would take a connection, or start to watch a task. Its links may be followed.
    Changes need a JSON content type or an ``Authorization`` header, which browsers send to another site only after
    they have asked this API (a preflight request, answered by the setting ``cors_origins``). Programs may leave out
    both where there is no body.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str],
        origins: Collection[str],
        origins_of_paths: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> None:
        """Check before ``app``.

        Args:
            app: the application.
            hosts: as of ``allowed_hosts``.
            origins: as of ``Settings.cors_origins``.
            origins_of_paths: more origins, for the paths that begin with a text only.
        """
        self._app = app
        self._hosts = frozenset(hosts)
        self._origins = origins
        self._origins_of_paths = origins_of_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or respond with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = (
            self._host_problem(headers)
            or self._page_problem(scope, headers)
            or _change_problem(scope["method"], headers)
        )
        if problem is None:
            await self._app(scope, receive, send)
            return
        status, kind, title, detail = problem
        await problem_response(status, detail, kind=kind, title=title)(scope, receive, send)

    def _host_problem(self, headers: Headers) -> tuple[int, str, str, str] | None:
        host = headers.get("host")
        if host is None or _is_allowed(host, self._hosts):  # browsers always send one
            return None
        detail = (
            f"This API isn't known by the name {host[:100]!r}. If that is its name, add it to the setting "
            "allowed_hosts (OPSPAWN_ALLOWED_HOSTS)."
        )
        return 421, "host-not-allowed", "Unknown host", detail

    def _page_problem(self, scope: Scope, headers: Headers) -> tuple[int, str, str, str] | None:
        of_path = (more for start, more in self._origins_of_paths.items() if scope["path"].startswith(start))
        is_allowed = any(headers.get("origin") in origins for origins in of_path)
        if is_allowed or not self._is_of_other_site(scope["method"], headers):
            return None
        detail = (
            f"A page of {headers.get('origin', 'another site')[:100]} may not use this API. If it should, add its "
            "origin to the setting cors_origins."
        )
        return 403, "other-site", "Request of another site", detail

    def _is_of_other_site(self, method: str, headers: Headers) -> bool:
        if "*" in self._origins:
            return False
        origin = headers.get("origin")
        if origin is not None:
            is_own = origin.partition("://")[2] == headers.get("host", "")
            return not is_own and origin not in self._origins
        if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return False
        is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        return method not in _SAFE_METHODS or not is_link


def _change_problem(method: str, headers: Headers) -> tuple[int, str, str, str] | None:
    content_type = headers.get("content-type")
    if method in _SAFE_METHODS or content_type is None or "authorization" in headers:
        return None
    if is_json(content_type) or content_type.partition(";")[0].strip().lower() == _JSON_LINES:
        return None
    detail = f"Send JSON, with the header Content-Type: application/json, not {content_type[:100]!r}"
    return 415, "content-type", "Wrong content type", detail


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Return the names in ``Host`` that are this API's: the configured ones, and this machine's."""
    url_host = urlsplit(settings.url).hostname if "url" in settings.model_fields_set else None
    return frozenset({*settings.allowed_hosts, url_host or "localhost", "localhost", socket.gethostname().lower()})


@lru_cache(maxsize=64)
def _is_allowed(host: str, names: frozenset[str]) -> bool:
    """Return whether a ``Host`` header has an address, a name of this machine, or one of ``names``."""
    if "*" in names:
        return True
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1].strip("[]").lower().removesuffix(".")
    if name in names or name.endswith(".localhost") or _is_address(name):
        return True
    return any(pattern.startswith("*.") and name.endswith(pattern[1:]) for pattern in names)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
