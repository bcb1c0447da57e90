"""An MCP server that demands access tokens, and the authorization server that issues them, for tests."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.mcp_http_servers import calculator

__all__ = ["AuthorizationServer"]


@dataclass
class AuthorizationServer:
    """Issues tokens to registered clients; refresh tokens are used up by their use."""

    origin: str = ""
    """Where all of it is reached."""
    issuer: str | None = None
    """In the metadata and in redirects; None: the origin."""
    lifetime_s: int | None = 3600
    may_register: bool = True
    refuses_login: bool = False
    clients: dict[str, str | None] = field(default_factory=dict)
    """The secrets of clients."""
    access_tokens: set[str] = field(default_factory=set)
    refresh_tokens: set[str] = field(default_factory=set)
    grants: list[str] = field(default_factory=list)
    """The grant types of the requests for tokens, in order."""
    scopes: list[str | None] = field(default_factory=list)
    """That were asked for."""
    resources: set[str | None] = field(default_factory=set)
    _codes: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Client, redirect URL and PKCE challenge by code."""

    def protect(self, app: ASGIApp) -> ASGIApp:
        """Return an app with the endpoints of this server, and ``app`` for those who have a token."""
        endpoints = Starlette(
            routes=[
                Route("/.well-known/oauth-protected-resource/mcp", self._resource),
                Route("/.well-known/oauth-authorization-server", self._metadata),
                Route("/register", self._register, methods=["POST"]),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

        async def protected(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] == "/mcp":
                request = None if scope["type"] != "http" else Request(scope)
                if request is None or self._may_pass(request):
                    await app(scope, receive, send)
                else:
                    await self._unauthorized()(scope, receive, send)
            else:
                await endpoints(scope, receive, send)

        return protected

    def make_app(self) -> ASGIApp:
        """Return a calculator for those who have a token."""
        return self.protect(calculator().streamable_http_app(json_response=True))

    def expire_access_tokens(self) -> None:
        """Accept none of the access tokens any more."""
        self.access_tokens.clear()

    def _may_pass(self, request: Request) -> bool:
        return request.headers.get("authorization", "").removeprefix("Bearer ") in self.access_tokens

    def _unauthorized(self) -> Response:
        url = f"{self.origin}/.well-known/oauth-protected-resource/mcp"
        return Response(status_code=401, headers={"WWW-Authenticate": f'Bearer resource_metadata="{url}"'})

    async def _resource(self, _: Request) -> Response:
        return JSONResponse(
            {
                "resource": f"{self.origin}/mcp",
                "authorization_servers": [self.issuer or self.origin],
                "scopes_supported": ["tools"],
            }
        )

    async def _metadata(self, _: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer or self.origin,
                "authorization_endpoint": f"{self.origin}/authorize",
                "token_endpoint": f"{self.origin}/token",
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
                **({"registration_endpoint": f"{self.origin}/register"} if self.may_register else {}),
            }
        )

    async def _register(self, request: Request) -> Response:
        if not self.may_register:
            return Response(status_code=403)
        asked = await request.json()
        client_id = f"client-{len(self.clients) + 1}"
        self.clients[client_id] = None
        return JSONResponse({**asked, "client_id": client_id, "token_endpoint_auth_method": "none"}, status_code=201)

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        assert asked["client_id"] in self.clients
        assert asked["code_challenge_method"] == "S256"
        self.scopes.append(asked.get("scope"))
        self.resources.add(asked.get("resource"))
        answer = {"state": asked["state"], "iss": self.issuer or self.origin}
        if self.refuses_login:
            answer["error"] = "access_denied"
        else:
            answer["code"] = secrets.token_urlsafe()
            self._codes[answer["code"]] = asked["client_id"], asked["redirect_uri"], asked["code_challenge"]
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}")

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        self.grants.append(form["grant_type"])
        self.resources.add(form.get("resource"))
        match form["grant_type"]:
            case "authorization_code" if self._takes_code(form):
                return self._grant(with_refresh=True)
            case "refresh_token" if form["refresh_token"] in self.refresh_tokens:
                self.refresh_tokens.discard(form["refresh_token"])
                return self._grant(with_refresh=True)
            case "client_credentials" if self._knows(request):
                return self._grant(with_refresh=False)
        return JSONResponse({"error": "invalid_grant", "error_description": str(form)}, status_code=400)

    def _takes_code(self, form: dict[str, str]) -> bool:
        client, redirect, challenge = self._codes.pop(form["code"], ("", "", ""))
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        is_same = base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == challenge
        return is_same and client == form["client_id"] and redirect == form["redirect_uri"]

    def _knows(self, request: Request) -> bool:
        encoded = request.headers.get("authorization", "").removeprefix("Basic ")
        client, _, secret = base64.b64decode(encoded).decode().partition(":")
        return client in self.clients and self.clients[client] == secret

    def _grant(self, *, with_refresh: bool) -> Response:
        granted: dict[str, object] = {"access_token": f"access-{secrets.token_hex()}", "token_type": "Bearer"}
        self.access_tokens.add(str(granted["access_token"]))
        if self.lifetime_s is not None:
            granted["expires_in"] = self.lifetime_s
        if with_refresh:
            granted["refresh_token"] = f"refresh-{secrets.token_hex()}"
            self.refresh_tokens.add(str(granted["refresh_token"]))
        return JSONResponse(granted)
