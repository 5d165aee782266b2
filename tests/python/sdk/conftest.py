"""One gateway before all fake clouds, with keys; a second with TLS for boto3."""

import inspect
import re
import subprocess
import time

import httpx
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


@pytest.fixture(autouse=True)
def nobody_rests(request, gateway, key):
    """An upstream that said it is busy rests for a second; the next test finds it awake."""
    yield
    if "fail:" not in request.node.nodeid and "fail:" not in inspect.getsource(request.function):
        return
    names = set(re.findall(r"at-[a-z]+(?:-[a-z]+)*?(?=-fail|[\]-])", request.node.nodeid)) | {"at-openai"}
    headers = {"authorization": f"Bearer {key}"}
    for name in names:
        body = {"model": name, "messages": [{"role": "user", "content": f"awake? {time.time()}"}]}
        until = time.monotonic() + 2
        while time.monotonic() < until:
            answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers)
            if answer.status_code != 429:
                break
            time.sleep(0.1)


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
