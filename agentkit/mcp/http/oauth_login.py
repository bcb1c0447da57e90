"""The login of a person at an MCP server, in a browser: authorization code with PKCE."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urljoin

import httpx2
from mcp import MCPError
from mcp.client.auth import OAuthClientProvider, OAuthFlowError
from mcp.client.auth.utils import is_valid_client_metadata_url, issuers_match
from mcp.shared._httpx_utils import stream_within_origin
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp_types.version import LATEST_HANDSHAKE_VERSION
from pydantic import AnyUrl, ValidationError

from agentkit.errors import McpServerUnavailable
from agentkit.interfaces import McpTokens, McpTokenStore
from agentkit.mcp.http.http_sessions import HttpSessions
from agentkit.mcp.http.loopback_listener import LoopbackListener, loopback_listener
from agentkit.mcp.http.oauth import server_auth
from agentkit.mcp.server_problems import ProblemKind, first_words, unavailable
from agentkit.mcp_config.mcp_settings import McpOAuth, McpServerSettings

__all__ = ["LoginProvider", "login"]

_HEADERS = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": LATEST_HANDSHAKE_VERSION,
}
_REQUEST_TIMEOUT_S = 30.0
_CLIENT = {"name": "opspawn", "version": "1"}
_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": LATEST_HANDSHAKE_VERSION, "capabilities": {}, "clientInfo": _CLIENT},
}
_LIST_TOOLS = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}


class LoginProvider(OAuthClientProvider):
    """The SDK's login, with the scope, client and issuer of the settings, if they have any."""

    def __init__(
        self,
        url: str,
        oauth: McpOAuth,
        listener: LoopbackListener,
        open_url: Callable[[str], Awaitable[None]],
    ) -> None:
        self.granted = _GrantedTokens(oauth, listener.redirect_url)
        self._oauth = oauth
        self._listener = listener
        self._open_url = open_url
        metadata = OAuthClientMetadata(
            client_name="Opspawn", redirect_uris=[AnyUrl(listener.redirect_url)], scope=oauth.scope
        )
        document = oauth.client_id if is_valid_client_metadata_url(oauth.client_id) else None
        super().__init__(url, metadata, self.granted, self._redirect, self._wait_for_code, client_metadata_url=document)

    def tokens(self, url: str) -> McpTokens | None:
        """Return what the login has given; None if the server has not asked for one."""
        context = self.context
        granted, client = context.current_tokens, context.client_info
        if granted is None or client is None:
            return None
        metadata = context.oauth_metadata
        base = context.get_authorization_base_url(url)
        return McpTokens(
            url=url,
            access_token=granted.access_token,
            refresh_token=granted.refresh_token,
            expires_at=None if granted.expires_in is None else time.time() + granted.expires_in,
            scope=granted.scope,
            issuer=None if metadata is None else str(metadata.issuer),
            token_endpoint=urljoin(base, "/token") if metadata is None else str(metadata.token_endpoint),
            resource=context.get_resource_url(),
            client_id=client.client_id,
            client_secret=client.client_secret,
            token_endpoint_auth_method=client.token_endpoint_auth_method,
        )

    async def _perform_authorization(self) -> httpx2.Request:
        issuer, metadata = self._oauth.issuer, self.context.oauth_metadata
        if issuer is not None and (metadata is None or not issuers_match(str(metadata.issuer), issuer)):
            raise OAuthFlowError("the server leads to another authorization server than oauth.issuer")
        if self._oauth.scope is not None:
            self.context.client_metadata.scope = self._oauth.scope
        client = self.context.client_info
        if client is not None and client.client_secret is not None and client.token_endpoint_auth_method is None:
            offered = None if metadata is None else metadata.token_endpoint_auth_methods_supported
            is_basic = offered is None or "client_secret_basic" in offered
            client.token_endpoint_auth_method = "client_secret_basic" if is_basic else "client_secret_post"
        return await super()._perform_authorization()

    async def _redirect(self, url: str) -> None:
        self._listener.expect(url)
        await self._open_url(url)

    async def _wait_for_code(self) -> AuthorizationCodeResult:
        parameters = await self._listener.parameters()
        if "code" not in parameters:
            raise OAuthFlowError(f"the login was refused ({parameters.get('error', 'no reason given')[:100]})")
        return AuthorizationCodeResult(code=parameters["code"], state=parameters["state"], iss=parameters.get("iss"))


class _GrantedTokens:
    """The SDK's storage for the time of a login."""

    def __init__(self, oauth: McpOAuth, redirect_url: str) -> None:
        self._client: OAuthClientInformationFull | None = None
        if oauth.client_id is not None and not is_valid_client_metadata_url(oauth.client_id):
            self._client = _registered_client(oauth.client_id, oauth, redirect_url)

    async def get_tokens(self) -> OAuthToken | None:
        return None

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Do nothing: the provider has them, too."""

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self._client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self._client = client_info


def _registered_client(client_id: str, oauth: McpOAuth, redirect_url: str) -> OAuthClientInformationFull:
    return OAuthClientInformationFull(
        client_id=client_id,
        client_secret=oauth.client_secret,
        redirect_uris=[AnyUrl(redirect_url)],
        token_endpoint_auth_method="none" if oauth.client_secret is None else None,  # as the server offers
        issuer=oauth.issuer,
    )


async def login(
    server: str,
    settings: McpServerSettings,
    store: McpTokenStore,
    *,
    open_url: Callable[[str], Awaitable[None]],
    timeout_s: float = 300.0,
) -> None:
    """Log in at a server, store the tokens for the workers, and check that the server takes them.

    Args:
        server: Its name in ``mcp.json``.
        settings: Its settings, without placeholders.
        store: Where the tokens are kept.
        open_url: Shows the page to log in to a person.
        timeout_s: How long the person may take.

    Raises:
        McpServerUnavailable: the login failed, or the server asks for none.
    """
    url, oauth = settings.url, settings.opspawn.oauth or McpOAuth()
    if url is None:
        raise unavailable(server, "login", "wrong_protocol", "it is no server with a URL, and needs no login")
    try:
        async with asyncio.timeout(timeout_s), loopback_listener() as listener:
            tokens = await _granted(url, LoginProvider(url, oauth, listener, open_url), settings)
    except TimeoutError:
        raise unavailable(server, "login", "timed_out", f"nobody has logged in within {timeout_s:g} s") from None
    except OAuthFlowError as error:
        raise _login_failed(server, "not_authorized", error) from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _login_failed(server, "unreachable", error) from None
    except ValidationError as error:
        raise _login_failed(server, "wrong_protocol", error) from None
    if tokens is None:
        raise unavailable(server, "login", "failed", "the server asks for no login")
    async with store.lock(server):
        await store.write(server, tokens)
    await _check(server, settings, store)


async def _granted(url: str, provider: LoginProvider, settings: McpServerSettings) -> McpTokens | None:
    """Send requests until the server asks for a login, and have it done."""
    async with httpx2.AsyncClient(auth=provider, headers=settings.headers, timeout=_REQUEST_TIMEOUT_S) as client:
        for message in (_INITIALIZE, _LIST_TOOLS):
            async with stream_within_origin(client, "POST", url, json=message, headers=_HEADERS):
                pass
            tokens = provider.tokens(url)
            if tokens is not None:
                return tokens
    return None


async def _check(server: str, settings: McpServerSettings, store: McpTokenStore) -> None:
    sessions = HttpSessions(server, settings, auth=server_auth(server, settings, store))
    try:
        async with sessions.session() as client:
            if client.server_capabilities.tools is not None:
                await client.list_tools()
    except MCPError as error:
        raise _login_failed(server, "failed", error) from None
    finally:
        await sessions.aclose()


def _login_failed(server: str, kind: ProblemKind, error: Exception) -> McpServerUnavailable:
    return unavailable(server, "login", kind, first_words(error))
