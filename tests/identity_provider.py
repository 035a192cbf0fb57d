"""A small OIDC provider on this machine: whoever comes is logged in as `provider.user`, without being asked.

>>> with identity_provider() as provider:
...     provider.user = {"sub": "1", "email": "ada@lab.example", "email_verified": True}
"""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest


class Provider(ThreadingHTTPServer):
    """`user`: the claims of whoever logs in next."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        jwk = pytest.importorskip("joserfc.jwk", reason="Authlib is not installed: no login")
        self.key = jwk.RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"})
        self.address, self.user, self.nonces = f"http://127.0.0.1:{self.server_address[1]}", {}, {}

    def token(self, code: str) -> dict[str, Any]:
        from joserfc import jwt

        now = int(time.time())
        claims = {"iss": self.address, "aud": "dashboard", "iat": now, "exp": now + 600, "nonce": self.nonces.pop(code)}
        signed = jwt.encode({"alg": "RS256", "kid": "1"}, claims | self.user, self.key)
        return {"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": signed}


class _Answer(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        asked, address = urlsplit(self.path), self.server.address
        if asked.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(asked.query).items()}
            code = secrets.token_hex(8)
            self.server.nonces[code] = query.get("nonce", "")
            self.send_response(302)
            back = urlencode({"code": code, "state": query["state"]})
            self.send_header("Location", f"{query['redirect_uri']}?{back}")
            self.end_headers()
        elif asked.path == "/keys":
            self._json({"keys": [self.server.key.as_dict(private=False)]})
        else:
            facts = {name: f"{address}/{path}" for name, path in _PLACES.items()}
            self._json(facts | {"issuer": address, "id_token_signing_alg_values_supported": ["RS256"]})

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self._json(self.server.token(body["code"][0]))

    def _json(self, values: dict[str, Any]) -> None:
        text = json.dumps(values).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        pass


_PLACES = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}


@contextmanager
def identity_provider() -> Iterator[Provider]:
    """A provider that answers until the end of the block. Skips the test where Authlib is not installed."""
    pytest.importorskip("authlib", reason="Authlib is not installed: no login")
    with Provider() as provider:
        Thread(target=provider.serve_forever, daemon=True).start()
        yield provider
        provider.shutdown()
