import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from createos_mcp.contract.values import Json
from tests.apis import Asked, FakeApi, fake_api
from tests.eras import Era, both_eras
from tests.remote.servers import HELLO_MESSAGE, ID, Served, Wire, carrier, client_of, post, served

PUBLIC = "https://mcp.example.com"
AUDIENCE = f"{PUBLIC}/mcp"
SCOPE = "deploy"
LOGIN = "Basic " + base64.b64encode(b"createos-mcp:password").decode()


@dataclass(kw_only=True)
class AuthorizationServer:
    """An issuer on a socket: metadata, keys, introspection; it signs tokens."""

    api: FakeApi
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    opaque: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.api.respond = self.respond
        self.add_key("first")

    def add_key(self, kid: str) -> None:
        self.keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def respond(self, asked: Asked) -> tuple[int, Json]:
        if asked.path == "/.well-known/oauth-authorization-server":
            return 200, {"issuer": self.api.url, "jwks_uri": f"{self.api.url}/keys"}
        if asked.path == "/keys":
            return 200, {"keys": [self._public(kid) for kid in self.keys]}
        if asked.path == "/introspect" and asked.headers["authorization"] == LOGIN:
            token = parse_qs(asked.body.decode())["token"][0]
            return 200, self.opaque.get(token, {"active": False})
        return 404, {}

    def _public(self, kid: str) -> Json:
        public = json.loads(RSAAlgorithm.to_jwk(self.keys[kid].public_key()))
        return {**public, "kid": kid, "alg": "RS256", "use": "sig"}

    def claims(self, **changes: Json) -> dict[str, Json]:
        own = {"iss": self.api.url, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 600}
        return {**own, "scope": f"openid {SCOPE}", **changes}

    def token(self, kid: str = "first", **changes: Json) -> str:
        claims = {n: v for n, v in self.claims(**changes).items() if v is not None}
        return jwt.encode(claims, self.keys[kid], algorithm="RS256", headers={"kid": kid})


@contextmanager
def protected(*flags: str) -> Iterator[tuple[AuthorizationServer, FakeApi, Served]]:
    with fake_api() as issuing, fake_api() as api:
        issuer = AuthorizationServer(api=issuing)
        own = (
            *("--oauth-issuer", issuing.url, "--oauth-scopes", SCOPE),
            *("--serve-public-url", PUBLIC, "--serve-allowed-hosts", "127.0.0.1:*"),
            *("--oauth-introspection-url", f"{issuing.url}/introspect"),
            *("--oauth-client-id", "createos-mcp"),
        )
        secret = {"CREATEOS_OAUTH_CLIENT_SECRET": "password"}
        with served(api.url, *own, *flags, variables=secret) as server:
            yield issuer, api, server


@pytest.fixture(scope="module")
def everything() -> Iterator[tuple[AuthorizationServer, FakeApi, Served]]:
    with protected() as parts:
        yield parts


def bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


def knock(server: Served, token: str) -> httpx2.Response:
    return post(server, HELLO_MESSAGE, headers={"X-Api-Key": "", **bearer(token)})


@pytest.mark.parametrize("wire", ["http", "sse"])
@both_eras
async def test_a_good_token_goes_to_the_platform_as_an_access_token(
    wire: Wire, era: Era, everything: tuple[AuthorizationServer, FakeApi, Served]
) -> None:
    issuer, api, server = everything
    token = issuer.token()
    async with client_of(server, bearer(token), wire=wire, era=era) as client:
        result = await client.call_tool("GetProject", {"project_id": ID})
    assert result.structured_content == {"id": "p1"}
    assert api.asked[-1].headers["x-access-token"] == token
    assert "x-api-key" not in api.asked[-1].headers


@pytest.mark.parametrize("path", ["", "/mcp"])
def test_clients_are_told_where_to_get_a_token(
    path: str, everything: tuple[AuthorizationServer, FakeApi, Served]
) -> None:
    issuer, _, server = everything
    answer = carrier.get(f"{server.url}/.well-known/oauth-protected-resource{path}")
    assert answer.status_code == 200
    assert answer.json() == {
        "resource": AUDIENCE,
        "resource_name": "createos-mcp",
        "authorization_servers": [issuer.api.url],
        "bearer_methods_supported": ["header"],
        "scopes_supported": [SCOPE],
    }
    challenge = carrier.post(f"{server.url}/mcp").headers["www-authenticate"]
    assert challenge == (
        'Bearer realm="createos-mcp", '
        f'resource_metadata="{PUBLIC}/.well-known/oauth-protected-resource/mcp"'
    )


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"exp": 1_000_000_000}, "expired"),
        ({"exp": None}, "issuer"),
        ({"aud": "https://other.example.com/mcp"}, "another resource"),
        ({"aud": None}, "issuer"),
        ({"iss": "https://evil.example.com"}, "issuer"),
        ({"nbf": 4_000_000_000}, "issuer"),
    ],
)
def test_a_token_that_does_not_count_is_401_and_reaches_nobody(
    changes: dict[str, Json],
    word: str,
    everything: tuple[AuthorizationServer, FakeApi, Served],
) -> None:
    issuer, api, server = everything
    asked = len(api.asked)
    answer = knock(server, issuer.token(**changes))
    assert answer.status_code == 401
    assert word in answer.json()["message"]
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert len(api.asked) == asked


def test_a_token_that_was_not_signed_by_the_issuer_is_401(
    everything: tuple[AuthorizationServer, FakeApi, Served],
) -> None:
    issuer, _, server = everything
    good = issuer.token()
    public: str = json.loads(RSAAlgorithm.to_jwk(issuer.keys["first"].public_key()))["n"]
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    headers = {"kid": "first"}
    forged = (
        jwt.encode(issuer.claims(), stranger, algorithm="RS256", headers=headers),
        jwt.encode(issuer.claims(), public, algorithm="HS256", headers=headers),
        jwt.encode(issuer.claims(), "", algorithm="none", headers=headers),
        good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"),
        "a.b.c",
    )
    for token in forged:
        assert knock(server, token).status_code == 401


def test_a_token_without_the_scope_is_403_and_names_it(
    everything: tuple[AuthorizationServer, FakeApi, Served],
) -> None:
    issuer, _, server = everything
    answer = knock(server, issuer.token(scope="openid"))
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert f'scope="{SCOPE}"' in answer.headers["www-authenticate"]


def test_a_token_that_is_no_jwt_is_judged_by_the_issuer(
    everything: tuple[AuthorizationServer, FakeApi, Served],
) -> None:
    issuer, _, server = everything
    issuer.opaque["opaque-good"] = {"active": True, **issuer.claims()}
    issuer.opaque["opaque-other"] = {"active": True, **issuer.claims(aud="x")}
    assert knock(server, "opaque-good").status_code == 200
    assert knock(server, "opaque-other").status_code == 401
    assert knock(server, "opaque-unknown").status_code == 401


def test_a_key_goes_on_working_beside_tokens(
    everything: tuple[AuthorizationServer, FakeApi, Served],
) -> None:
    _, _, server = everything
    assert post(server, HELLO_MESSAGE, headers={"X-Api-Key": "skp_x"}).status_code == 200
    assert knock(server, "skp_in_bearer").status_code == 200


def test_keys_are_fetched_once_and_unknown_ones_do_not_flood_the_issuer() -> None:
    with protected() as (issuer, _, server):
        for _ in range(5):
            assert knock(server, issuer.token()).status_code == 200
        issuer.add_key("unseen")
        for _ in range(5):
            assert knock(server, issuer.token("unseen")).status_code == 401
        assert [asked.path for asked in issuer.api.asked].count("/keys") == 1


def test_an_issuer_that_cannot_be_asked_is_503_and_not_401() -> None:
    with protected("--oauth-jwks-url", "http://127.0.0.1:9/keys") as (issuer, _, server):
        answer = knock(server, issuer.token())
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
