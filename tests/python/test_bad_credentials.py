"""Credentials that a cloud refuses: the client reads which and where they are configured, nobody their values."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from clouds.config import Landscape
from clouds.credentials import entra, sigv4
from forebay import Gateway
from wires import WIRES, name

WRONG = "wrong-secret-that-nobody-may-read"
# Upstream → what the message must name: the credential's field or kind.
REFUSED = {
    "at-azure-entra": "auth.client_secret",
    "at-azure": "auth",
    "at-bedrock": "sigv4",
    "at-bedrock-chat": "auth",
    "at-sagemaker": "sigv4",
    "at-vertex": "auth",
    "at-oci": "oci",
    "at-anthropic": "auth",
    "at-openai": "auth",
    "at-gemini": "auth",
    "at-cohere": "auth",
    "at-mistral": "auth",
}
# No token was issued, so the upstream was never asked: what is wrong concerns the operator alone.
NEVER_ASKED = {"at-azure-entra", "at-vertex"}
WRONG_IN_THE_ENVIRONMENT = (
    "ENTRA_SECRET AZURE_KEY AWS_SECRET AWS_SESSION_SECRET BEDROCK_KEY ANTHROPIC_KEY OPENAI_KEY GEMINI_KEY COHERE_KEY "
    "MISTRAL_KEY"
).split()


@pytest.fixture(scope="module")
def landscape(tmp_path_factory):
    """All clouds, and none of the gateway's credentials right."""
    landscape = Landscape(tmp_path_factory.mktemp("clouds"))
    landscape.env |= {variable: f"{WRONG}-{variable}" for variable in WRONG_IN_THE_ENVIRONMENT}
    # Google knows the account by another key now; Oracle knows no key of this fingerprint.
    landscape.google.key = rsa.generate_private_key(65537, 2048)
    oracle = landscape.upstreams["at-oci"]
    oracle.auth = {**oracle.auth, "fingerprint": ":".join(["00"] * 16)}
    yield landscape
    landscape.close()


@pytest.fixture(scope="module")
def gateway(landscape):
    with Gateway(landscape.toml('[log]\nlevel = "debug"\naccess = true\n'), env=landscape.env) as gateway:
        yield gateway


def secrets(landscape):
    """What may be read nowhere."""
    key = (landscape.folder / "service-account.json").read_text().partition("PRIVATE KEY-----\\n")[2][:60]
    return [WRONG, entra.SECRET, sigv4.Keys().secret, key, landscape.oracle.private.splitlines()[1], "Bearer "]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("wire", WIRES, ids=name)
@pytest.mark.parametrize("upstream", REFUSED)
def test_refused_credentials_are_named_and_not_shown(gateway, landscape, upstream, wire, streamed):
    answer = wire.post(gateway.url, upstream, streamed=streamed)
    message = wire.refused(answer, 502)
    assert f'"{upstream}"' in message
    if upstream in NEVER_ASKED:
        assert "the reason is in the gateway's log" in message
        logged = [line for line in gateway.logged().splitlines() if f'"{upstream}"' in line or upstream in line]
        assert any(REFUSED[upstream] in line for line in logged), logged
    else:
        assert REFUSED[upstream] in message
    assert not [secret for secret in secrets(landscape) if secret in answer.text + str(answer.headers)]


def test_no_secret_is_logged(gateway, landscape):
    for upstream in REFUSED:
        WIRES[0].post(gateway.url, upstream)
    logged = gateway.logged()
    assert "at-anthropic" in logged
    assert not [secret for secret in secrets(landscape) if secret in logged]
