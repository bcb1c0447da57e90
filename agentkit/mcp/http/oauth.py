"""Access tokens of an MCP server: from a login, renewed when they expire, or for the worker's own credentials."""

from __future__ import annotations

import base64
import logging
import time
import warnings
from collections.abc import AsyncGenerator, Callable
from urllib.parse import quote

import httpx2
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import ValidationError

from agentkit.interfaces import McpTokens, McpTokenStore
from agentkit.mcp.http.oauth_errors import LoginRequired, RenewalFailed
from agentkit.mcp_config.mcp_settings import McpOAuth, McpServerSettings

__all__ = ["server_auth"]

_EARLY_S = 30.0
"""Tokens are renewed so long before they expire."""
_TIMEOUT_S = 30.0


_SDK_LOGGER = logging.getLogger("mcp.client.auth")


def server_auth(server: str, settings: McpServerSettings, store: McpTokenStore) -> Callable[[], httpx2.Auth | None]:
    """Return what makes the authorization of one client of a server. ``settings`` have no placeholders."""
    _SDK_LOGGER.setLevel(logging.CRITICAL + 1)  # it logs what token endpoints answer
    oauth, url = settings.opspawn.oauth, settings.url
    if oauth is None or url is None:
        return lambda: None
    if oauth.grant == "client_credentials":
        return _client_credentials(url, oauth)
    login = _Login(server, url, store)
    return lambda: _LoginAuth(login)


class _LoginAuth(httpx2.Auth):
    """Sends the access token; if the server refuses it, once more with a renewed one."""

    def __init__(self, login: _Login) -> None:
        self._login = login

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        tokens = await self._login.tokens()
        request.headers["Authorization"] = f"Bearer {tokens.access_token}"
        response = yield request
        if response.status_code == 401:
            renewed = await self._login.renew(tokens)
            request.headers["Authorization"] = f"Bearer {renewed.access_token}"
            yield request


class _Login:
    """The tokens that a person's login gave, shared with other workers by the store."""

    def __init__(self, server: str, url: str, store: McpTokenStore) -> None:
        self._server = server
        self._url = url
        self._store = store

    async def tokens(self) -> McpTokens:
        """Return tokens that have not expired.

        Raises:
            LoginRequired: there are none, and none can be had without a person.
            RenewalFailed: the authorization server can't be reached.
        """
        tokens = await self._read()
        return await self.renew(tokens) if _is_expired(tokens) else tokens

    async def renew(self, stale: McpTokens) -> McpTokens:
        """Return other tokens than these, by the refresh token or from a worker that was faster.

        Raises:
            LoginRequired: the refresh token is missing, expired or revoked.
            RenewalFailed: the authorization server can't be reached.
        """
        try:
            async with self._store.lock(self._server):
                tokens = await self._read()
                if tokens.access_token != stale.access_token and not _is_expired(tokens):
                    return tokens
                renewed = await _renewed(tokens)
                await self._store.write(self._server, renewed)
                return renewed
        except TimeoutError:
            raise RenewalFailed("another worker has been renewing the login for too long") from None

    async def _read(self) -> McpTokens:
        tokens = await self._store.read(self._server)
        if tokens is None:
            raise LoginRequired("nobody has logged in")
        if tokens.url != self._url:
            raise LoginRequired("the login is for another URL")
        return tokens


def _is_expired(tokens: McpTokens) -> bool:
    return tokens.expires_at is not None and time.time() > tokens.expires_at - _EARLY_S


async def _renewed(tokens: McpTokens) -> McpTokens:
    if tokens.refresh_token is None:
        raise LoginRequired("the login has expired")
    form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token, "client_id": tokens.client_id}
    if tokens.resource is not None:
        form["resource"] = tokens.resource
    headers = {"Accept": "application/json"}
    if tokens.client_secret is not None:
        if tokens.token_endpoint_auth_method == "client_secret_basic":
            pair = f"{quote(tokens.client_id, safe='')}:{quote(tokens.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_secret"] = tokens.client_secret
    try:
        async with httpx2.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False) as client:
            response = await client.post(tokens.token_endpoint, data=form, headers=headers)
    except httpx2.HTTPError as error:
        raise RenewalFailed(f"the login can't be renewed: {type(error).__name__}") from None
    if response.status_code >= 500 or response.status_code == 429:
        raise RenewalFailed(f"the login can't be renewed: HTTP {response.status_code}")
    try:
        granted = OAuthToken.model_validate_json(response.content) if response.is_success else None
    except ValidationError:
        granted = None
    if granted is None:
        raise LoginRequired("the login has expired or was revoked")
    return tokens.model_copy(
        update={
            "access_token": granted.access_token,
            "refresh_token": granted.refresh_token or tokens.refresh_token,
            "expires_at": None if granted.expires_in is None else time.time() + granted.expires_in,
            "scope": granted.scope or tokens.scope,
        }
    )


class _SharedToken:
    """The token that clients of one server share, as the SDK's storage."""

    def __init__(self) -> None:
        self._token: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._token

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._token = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Do nothing: the settings have the client."""


def _client_credentials(url: str, oauth: McpOAuth) -> Callable[[], httpx2.Auth]:
    shared = _SharedToken()

    def make() -> httpx2.Auth:
        # One a client: the SDK's provider lets one request through at a time, until it is answered.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a missing issuer
            return ClientCredentialsOAuthProvider(
                url, shared, oauth.client_id or "", oauth.client_secret or "", scope=oauth.scope, issuer=oauth.issuer
            )

    return make
