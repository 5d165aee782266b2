"""Login with tokens that a real issuer's library signs (joserfc), and with tokens that attackers make."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
import warnings

import httpx
import openai
import pytest
from joserfc import jwk, jwt

from forebay import Gateway

MODEL = "forebay-sim"
BODY = {"model": MODEL, "max_tokens": 3, "messages": [{"role": "user", "content": "hi"}]}


class Issuer(http.server.ThreadingHTTPServer):
    """Discovery and keys of an issuer on loopback."""

    daemon_threads = True

    def __init__(self, keys):
        issuer = self
        self.keys = keys

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                documents = {
                    "/.well-known/openid-configuration": {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/jwks"},
                    "/jwks": jwk.KeySet(issuer.keys).as_dict(private=False),
                }
                document = documents.get(self.path)
                body = json.dumps(document).encode()
                self.send_response(200 if document else 404)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *parts):
        self.shutdown()
        super().__exit__(*parts)

    def claims(self, **others):
        claims = {"iss": self.url, "aud": "forebay", "sub": "alice", "exp": int(time.time()) + 600, "tenant": "acme"}
        return {name: value for name, value in {**claims, **others}.items() if value is not None}


def sign(key, algorithm, claims, **header):
    header = {"alg": algorithm, "kid": key.kid, **header}
    with warnings.catch_warnings():
        # The library warns of the name that most issuers still use.
        warnings.simplefilter("ignore")
        return jwt.encode({name: value for name, value in header.items() if value}, claims, key, algorithms=[algorithm])


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


RSA = jwk.RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
KEYS = {
    "RS256": RSA,
    "RS512": RSA,
    "PS256": RSA,
    "ES256": jwk.ECKey.generate_key("P-256", {"kid": "p256"}),
    "ES384": jwk.ECKey.generate_key("P-384", {"kid": "p384"}),
    "EdDSA": jwk.OKPKey.generate_key("Ed25519", {"kid": "ed"}),
}


@pytest.fixture(scope="module")
def issuer():
    with Issuer([RSA, *(key for key in KEYS.values() if key is not RSA)]) as issuer:
        yield issuer


def config(issuer):
    return f'[auth.oidc]\nissuer = "{issuer.url}"\naudience = ["forebay"]\ntenant_claim = "tenant"\n'


@pytest.fixture(scope="module")
def gateway(issuer):
    with Gateway(config(issuer)) as gateway:
        yield gateway


def ask(gateway, token):
    return httpx.post(f"{gateway.api}/chat/completions", json=BODY, headers={"authorization": f"Bearer {token}"})


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_token_is_as_good_as_a_key(gateway, issuer, algorithm):
    token = sign(KEYS[algorithm], algorithm, issuer.claims())
    with openai.OpenAI(base_url=gateway.api, api_key=token, max_retries=0) as client:
        assert client.chat.completions.create(**BODY).choices[0].message.content


def test_a_token_without_a_key_id_is_tried_with_the_keys_that_fit(gateway, issuer):
    token = sign(KEYS["ES256"], "ES256", issuer.claims(), kid=None)
    assert ask(gateway, token).status_code == 200


def public_pem():
    return RSA.as_pem(private=False)


def confused(issuer):
    """HS256 with the public key as the secret: what a verifier that trusts `alg` takes for good."""
    message = f'{b64(json.dumps({"alg": "HS256", "kid": "rsa"}).encode())}.{b64(json.dumps(issuer.claims()).encode())}'
    return f"{message}.{b64(hmac.new(public_pem(), message.encode(), hashlib.sha256).digest())}"


BAD = {
    "alg none": lambda i: f'{b64(b"""{"alg":"none"}""")}.{b64(json.dumps(i.claims()).encode())}.',
    "HS256 with the public key": confused,
    "expired": lambda i: sign(RSA, "RS256", i.claims(exp=int(time.time()) - 3600)),
    "not valid yet": lambda i: sign(RSA, "RS256", i.claims(nbf=int(time.time()) + 3600)),
    "no expiry": lambda i: sign(RSA, "RS256", i.claims(exp=None)),
    "another audience": lambda i: sign(RSA, "RS256", i.claims(aud="billing")),
    "no audience": lambda i: sign(RSA, "RS256", i.claims(aud=None)),
    "another issuer": lambda i: sign(RSA, "RS256", i.claims(iss="https://evil.example")),
    "another issuer's key": lambda i: sign(jwk.RSAKey.generate_key(2048, {"kid": "rsa"}), "RS256", i.claims()),
    "a key that is embedded": lambda i: sign(
        stranger := jwk.RSAKey.generate_key(2048, {"kid": "x"}), "RS256", i.claims(), jwk=stranger.as_dict(private=False)
    ),
    "no tenant": lambda i: sign(RSA, "RS256", i.claims(tenant=None)),
    "a tenant that is a list": lambda i: sign(RSA, "RS256", i.claims(tenant=["acme"])),
    "huge": lambda i: sign(RSA, "RS256", i.claims(pad="x" * 30_000)),
    "truncated": lambda i: sign(RSA, "RS256", i.claims())[:-20],
    "changed": lambda i: sign(RSA, "RS256", i.claims()).replace(".", ".A", 1),
    "no token": lambda i: "ey..",
}


@pytest.mark.parametrize("why", BAD)
def test_what_is_wrong_with_a_token_is_401(gateway, issuer, why):
    answer = ask(gateway, BAD[why](issuer))
    assert answer.status_code == 401, answer.text
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_a_key_of_the_issuer_that_is_new_is_taken_up():
    with Issuer([RSA]) as issuer, Gateway(config(issuer)) as gateway:
        assert ask(gateway, sign(RSA, "RS256", issuer.claims())).status_code == 200
        new = jwk.ECKey.generate_key("P-256", {"kid": "new"})
        issuer.keys.append(new)
        assert ask(gateway, sign(new, "ES256", issuer.claims())).status_code == 200


def test_an_issuer_that_is_not_there_is_503_and_no_open_door():
    with Issuer([]) as gone:
        url = gone.url
    config = f'[auth.oidc]\nissuer = "{url}"\naudience = ["forebay"]\ntenant = "acme"\n'
    with Gateway(config) as gateway:
        token = sign(RSA, "RS256", {"iss": url, "aud": "forebay", "sub": "a", "exp": int(time.time()) + 600})
        answer = ask(gateway, token)
        assert answer.status_code == 503 and "retry-after" in answer.headers, answer.text
        assert ask(gateway, "fb-a-b").status_code == 401
        assert "auth.oidc" in gateway.logged()
