"""One gateway before all fake clouds, with keys; a second with TLS for boto3."""

import subprocess

import pytest

from clouds.config import Landscape
from forebay import BINARY, Gateway

from .tls import write_certificate

WRONG_KEY = f"fb-{'0' * 12}-{'0' * 64}"


@pytest.fixture(scope="session")
def landscape(tmp_path_factory):
    landscape = Landscape(tmp_path_factory.mktemp("clouds"))
    yield landscape
    landscape.close()


@pytest.fixture(scope="session")
def key_file(tmp_path_factory):
    return tmp_path_factory.mktemp("keys") / "keys.toml"


@pytest.fixture(scope="session")
def key(key_file):
    command = [BINARY, "keys", "--file", key_file, "create", "--tenant", "acme"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="session")
def wrong_key():
    """Of the right form, but nobody's."""
    return WRONG_KEY


@pytest.fixture(scope="session")
def gateway(landscape, key, key_file):
    with Gateway(landscape.toml(f'[keys]\nfile = "{key_file}"\n'), env=landscape.env) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def tls_gateway(landscape, key, key_file, tmp_path_factory):
    """The same with TLS; `certificate` is what a client must trust."""
    certificate, private = write_certificate(tmp_path_factory.mktemp("tls"))
    server = f'[server]\ntls = {{ cert = "{certificate}", key = "{private}" }}\n'
    with Gateway(f'{server}[keys]\nfile = "{key_file}"\n' + landscape.toml(), env=landscape.env) as gateway:
        gateway.certificate = str(certificate)
        yield gateway


@pytest.fixture(autouse=True)
def nothing_was_refused(landscape):
    yield
    landscape.check()


@pytest.fixture(scope="class")
def speaker(request, upstream, at):
    """The class's client, at the gateway, asking for the upstream's model."""
    speaker = at(upstream.name)
    speaker.upstream_lacks = upstream.lacks
    yield speaker
    speaker.close()


@pytest.fixture(scope="class")
def upstream(request, landscape):
    return landscape.upstreams[request.param]


def pytest_generate_tests(metafunc):
    """Claims run before every upstream that their class names."""
    names = getattr(metafunc.cls, "upstreams", None)
    if names and "upstream" in metafunc.fixturenames:
        metafunc.parametrize("upstream", names, indirect=True, scope="class")
