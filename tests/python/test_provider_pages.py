"""The configurations on the pages about providers, each checked by the program as it stands there."""

import os
import pathlib
import re
import subprocess

import pytest

from clouds.credentials import google
from clouds.credentials.oracle import ApiKey
from forebay import BINARY, ROOT

PAGES = sorted((ROOT / "docs/providers").glob("*.md"))
BLOCK = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Of a certificate authority and a client: `check` reads neither, so any text does.
FILES = ("internal-ca.pem", "gateway.pem", "gateway.key")


def blocks():
    for page in PAGES:
        for position, text in enumerate(BLOCK.findall(page.read_text())):
            yield pytest.param(text, id=f"{page.stem}-{position}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the pages' files are called, with contents that can be read."""
    folder = tmp_path_factory.mktemp("pages")
    tokens = google.GoogleTokens()
    google.write_service_account(tokens, folder).rename(folder / "service-account.json")
    tokens.close()
    (folder / "oci-key.pem").write_text(ApiKey().private)
    (folder / "credentials").write_text("[inference]\naws_access_key_id = a\naws_secret_access_key = b\n")
    for name in FILES:
        (folder / name).write_text("")
    return folder


@pytest.mark.parametrize("text", blocks())
def test_a_pages_configuration_is_good(text, folder):
    file = folder / "forebay.toml"
    file.write_text(text)
    named = {name: "a-value-for-a-test" for name in re.findall(r'"env:(\w+)"', text)}
    env = {**os.environ, **named, "AWS_REGION": "", "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials")}
    done = subprocess.run([BINARY, "check", "--config", file], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_provider_has_a_page():
    pages = {page.stem for page in PAGES}
    linked = set(re.findall(r"\(providers/(\w+)\.md\)", (ROOT / "docs/providers.md").read_text()))
    assert linked == pages
    engines = pathlib.Path(ROOT / "docs/providers/engines.md").read_text()
    assert {"vllm", "sglang", "tgi", "llamacpp", "ollama", "nim", "ray"} <= set(re.findall(r"`(\w+)`", engines))
