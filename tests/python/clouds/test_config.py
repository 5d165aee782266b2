"""The configuration that the gateway gets: whole TOML, every upstream under a name of its own, no secret in it."""

import tomllib

import pytest

from .config import Landscape


@pytest.fixture(scope="module")
def landscape(tmp_path_factory):
    landscape = Landscape(tmp_path_factory.mktemp("clouds"))
    yield landscape
    landscape.close()


def test_it_reads_back(landscape):
    read = tomllib.loads(landscape.toml("[log]\naccess = true\n"))
    assert [each["name"] for each in read["upstreams"]] == list(landscape.upstreams)
    assert read["log"] == {"access": True}
    assert len(read["upstreams"]) == 18


def test_secrets_are_references(landscape):
    text = landscape.toml()
    assert not [name for name, value in landscape.env.items() if value in text]
    assert all(f"env:{name}" in text for name in landscape.env)
