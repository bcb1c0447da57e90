from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from agentkit.access.access_errors import CredentialInvalid, CredentialUncheckable
from agentkit.access.token_rules import TokenRules
from agentkit.access.token_verifier import TokenVerifier
from agentkit.principal import Principal
from tests.token_issuer import AUDIENCE, TokenIssuer, new_key


@pytest.fixture(scope="module")
def keys() -> list[RSAKey]:
    return [new_key("key-1"), new_key("key-2")]


@pytest.fixture
def issuer(keys: list[RSAKey]) -> TokenIssuer:
    return TokenIssuer(keys=keys[:1])


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def _verifier(issuer: TokenIssuer, clock: _Clock | None = None, **rules: Any) -> TokenVerifier:
    return TokenVerifier(
        TokenRules(issuer=issuer.url, audience=AUDIENCE, **rules), issuer.fetch, clock=clock or _Clock()
    )


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signed_with_public_key(issuer: TokenIssuer, secret: bytes) -> str:
    """Return a token with HS256, whose secret is the issuer's public key."""
    _, payload, _ = issuer.token().split(".")
    signed = _base64(json.dumps({"alg": "HS256", "kid": "key-1"}).encode()) + "." + payload
    return f"{signed}.{_base64(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


async def test_a_valid_token_says_who_makes_the_request(issuer: TokenIssuer) -> None:
    verified = await _verifier(issuer).verify(issuer.token(groups=["finance", "ops"], exp=int(time.time()) + 100))
    assert verified.principal == Principal(
        subject="ada", tenant="acme", roles=frozenset({"operator"}), groups=("finance", "ops")
    )
    assert 100 < verified.expires_at - time.time() <= 160


async def test_claims_are_named_by_the_settings(issuer: TokenIssuer) -> None:
    verifier = _verifier(
        issuer,
        subject_claim="email",
        tenant_claim="https://example.com/org",
        roles_claim="realm_access.roles",
        groups_claim="teams",
        role_names={"op-admins": "admin", "staff": "viewer"},
    )
    claims: dict[str, Any] = {"email": "ada@example.com", "https://example.com/org": "globex", "teams": "a b"}
    token = issuer.token(**claims, realm_access={"roles": ["op-admins", "staff", "unknown", 7]})
    assert (await verifier.verify(token)).principal == Principal(
        subject="ada@example.com", tenant="globex", roles=frozenset({"admin", "viewer"}), groups=("a", "b")
    )


async def test_the_tenant_is_required_where_its_claim_is_set(issuer: TokenIssuer) -> None:
    assert (await _verifier(issuer).verify(issuer.token(tenant=None))).principal.tenant == "default"
    with pytest.raises(CredentialInvalid, match="claim tenant is missing"):
        await _verifier(issuer, tenant_claim="tenant").verify(issuer.token(tenant=None))
    with pytest.raises(CredentialInvalid, match="claim tenant is missing, or can't be used"):
        await _verifier(issuer).verify(issuer.token(tenant="a b"))


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": 1}, "has expired"),
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"aud": "another"}, "aud"),
        ({"aud": ["another", "third"]}, "aud"),
        ({"aud": None}, "aud"),
        ({"iss": "https://evil.example.com"}, "iss"),
        ({"iss": None}, "iss"),
        ({"nbf": 99_999_999_999}, "valid"),
        ({"sub": None}, "claim sub"),
        ({"sub": 7}, "'sub'"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_claims_that_dont_fit_are_refused(issuer: TokenIssuer, claims: dict[str, Any], message: str) -> None:
    with pytest.raises(CredentialInvalid, match=message):
        await _verifier(issuer).verify(issuer.token(**claims))


async def test_a_clock_may_differ_by_the_skew(issuer: TokenIssuer) -> None:
    just_expired = issuer.token(exp=int(time.time()) - 30)
    assert (await _verifier(issuer).verify(just_expired)).principal.subject == "ada"
    with pytest.raises(CredentialInvalid, match="expired"):
        await _verifier(issuer, clock_skew_s=10).verify(just_expired)


async def test_forged_tokens_are_refused(issuer: TokenIssuer, keys: list[RSAKey]) -> None:
    header, payload, signature = issuer.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    admin = _base64(json.dumps({**claims, "roles": ["admin"]}).encode())
    none = _base64(b'{"alg": "none", "kid": "key-1"}')
    public = keys[0].as_pem(private=False)
    forged = [
        f"{header}.{admin}.{signature}",
        f"{none}.{payload}.",
        f"{none}.{payload}.{signature}",
        f"{_base64(b'{}')}.{payload}.{signature}",
        f"{header}.{payload}.{signature[:-8]}AAAAAAAA",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        issuer.token(key=keys[1], headers={"kid": "key-1"}),
        _signed_with_public_key(issuer, public),
        _signed_with_public_key(issuer, public.strip()),
        _signed_with_public_key(issuer, json.dumps(keys[0].as_dict(private=False)).encode()),
        "x" * 20_000,
        "a.b.c",
        "é.é.é",
    ]
    verifier = _verifier(issuer)
    for token in forged:
        with pytest.raises(CredentialInvalid) as raised:
            await verifier.verify(token)
        assert payload not in str(raised.value)
    assert (await verifier.verify(issuer.token())).principal.subject == "ada"


async def test_an_unknown_key_is_asked_for_once_per_interval(issuer: TokenIssuer, keys: list[RSAKey]) -> None:
    clock = _Clock()
    verifier = _verifier(issuer, clock)
    await verifier.verify(issuer.token())
    assert issuer.requests == [f"{issuer.url}/.well-known/openid-configuration", f"{issuer.url}/keys"]
    unknown = issuer.token(key=keys[1])
    for _ in range(5):
        with pytest.raises(CredentialInvalid, match="a key that its issuer doesn't have"):
            await verifier.verify(unknown)
    assert len(issuer.requests) == 2
    clock.seconds = 31
    for _ in range(5):
        with pytest.raises(CredentialInvalid):
            await verifier.verify(unknown)
    assert len(issuer.requests) == 4
    issuer.keys.append(keys[1])
    clock.seconds = 62
    assert (await verifier.verify(unknown)).principal.subject == "ada"
    assert len(issuer.requests) == 6


async def test_a_withdrawn_key_is_refused_after_an_hour(issuer: TokenIssuer, keys: list[RSAKey]) -> None:
    clock = _Clock()
    verifier = _verifier(issuer, clock)
    token = issuer.token()
    await verifier.verify(token)
    issuer.keys[:] = keys[1:]
    clock.seconds = 3601
    with pytest.raises(CredentialInvalid, match="a key that its issuer doesn't have"):
        await verifier.verify(token)


async def test_while_the_issuer_is_down_known_keys_serve(issuer: TokenIssuer) -> None:
    clock = _Clock()
    verifier = _verifier(issuer, clock)
    issuer.is_down = True
    for _ in range(3):
        with pytest.raises(CredentialUncheckable):
            await verifier.verify(issuer.token())
    assert len(issuer.requests) == 1
    issuer.is_down, clock.seconds = False, 31
    await verifier.verify(issuer.token())
    issuer.is_down, clock.seconds = True, 10_000
    assert (await verifier.verify(issuer.token())).principal.subject == "ada"


async def test_documents_of_another_issuer_are_refused(issuer: TokenIssuer) -> None:
    async def fetch(url: str) -> bytes:
        return TokenIssuer(url="https://evil.example.com", keys=issuer.keys).document(url)

    verifier = TokenVerifier(TokenRules(issuer=issuer.url, audience=AUDIENCE), fetch)
    with pytest.raises(CredentialUncheckable):
        await verifier.verify(issuer.token())


@pytest.mark.parametrize(
    "document", [b"", b"[]", b'{"keys": 1}', b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "YQ"}]}']
)
async def test_documents_without_public_keys_are_refused(issuer: TokenIssuer, document: bytes) -> None:
    async def fetch(url: str) -> bytes:
        return document

    rules = TokenRules(issuer=issuer.url, audience=AUDIENCE, jwks_url="https://login.example.com/keys")
    with pytest.raises(CredentialUncheckable):
        await TokenVerifier(rules, fetch).verify(issuer.token())
