"""One gateway before each scripted upstream, with the settings of docs/agents.md and no others."""

import tomllib
from contextlib import contextmanager

import pytest

from forebay import Gateway

from .upstreams import UPSTREAMS
from .workplace import block


@pytest.fixture(scope="session", params=UPSTREAMS)
def upstream(request):
    """The gateway and the fake cloud behind it."""
    before = UPSTREAMS[request.param]
    names = tomllib.loads(block("The gateway", "toml"))["upstreams"][0]["models"]
    cloud = before.cloud()
    with Gateway(before.toml(cloud.url, names), env=before.env) as gateway:
        yield gateway, cloud
    cloud.close()


@pytest.fixture
def playing(upstream):
    """Lets the upstream play a script, and checks that it came to its end with nothing refused."""
    gateway, cloud = upstream

    @contextmanager
    def play(script):
        cloud.requests.clear()
        cloud.mind = script
        try:
            yield gateway
        finally:
            cloud.mind = None
            refused = cloud.refused()
        assert not refused, "\n".join(refused)
        assert script.finished

    return play
