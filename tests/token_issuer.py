"""An identity provider for tests: its keys, tokens of it, and its two documents over HTTP or as a function."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

AUDIENCE = "opspawn-api"


@dataclass
class TokenIssuer:
    """Issues tokens with its newest key."""

    url: str = "https://login.example.com"
    keys: list[RSAKey] = field(default_factory=lambda: [new_key("key-1")])
    requests: list[str] = field(default_factory=list)
    """URLs or paths that were requested."""
    is_down: bool = False

    def token(self, *, key: RSAKey | None = None, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a valid token of ada, an operator of ``acme``; ``claims`` and ``headers`` change it, None removes."""
        signing, now = key or self.keys[-1], int(time.time())
        values = {
            **{"iss": self.url, "aud": AUDIENCE, "sub": "ada", "tenant": "acme", "roles": ["operator"]},
            **{"iat": now, "exp": now + 300},
            **claims,
        }
        header = {"alg": "RS256", "kid": signing.kid, **(headers or {})}
        return jwt.encode(
            {name: value for name, value in header.items() if value is not None},
            {name: value for name, value in values.items() if value is not None},
            signing,
        )

    async def fetch(self, url: str) -> bytes:
        """Return a document of the provider, as ``fetch_document`` does."""
        self.requests.append(url)
        if self.is_down:
            raise OSError(f"{url}: connection refused")
        return self.document(url)

    def document(self, url: str) -> bytes:
        """Return the document at a URL or path."""
        if url.endswith("/.well-known/openid-configuration"):
            return json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys"}).encode()
        return json.dumps({"keys": [key.as_dict(private=False) for key in self.keys]}).encode()


def new_key(kid: str) -> RSAKey:
    """Return a new key pair."""
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})


@contextmanager
def serve_issuer() -> Iterator[TokenIssuer]:
    """Serve an issuer's documents on a free port of this machine."""
    issuer = TokenIssuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.requests.append(self.path)
            self.send_response(503 if issuer.is_down else 200)
            self.end_headers()
            self.wfile.write(issuer.document(self.path))

        def log_message(self, format: str, *args: Any) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
