"""The catalogue at the command line and in a configuration."""

import json
import subprocess

import httpx
import pytest

from clouds.openai import OpenAI
from forebay import BINARY, Gateway

OFFER = '[[offer]]\nseller = "azure"\nmodel = "gpt-4o"\n'
PRICE = "price = { input = 2_000_000, output = 8_000_000 }\n"
# What is wrong with a file → its text, the line, a word of what is said.
MISTAKES = {
    "an unknown key": (OFFER + PRICE + "colour = 1\n", 5, "colour"),
    "a duplicate": (OFFER + PRICE + "\n" + OFFER + PRICE, 6, "azure/gpt-4o"),
    "a key given twice": (OFFER + PRICE + PRICE, 5, "duplicate key"),
    "a negative price": (OFFER + "price = { input = -1, output = 8_000_000 }\n", 4, "input"),
    "a fraction for a price": (OFFER + "price = { input = 2.5, output = 8_000_000 }\n", 4, "2_500_000"),
    "an unknown seller": (OFFER.replace("azure", "azuer") + PRICE, 1, "azure"),
}


def forebay(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=60)


@pytest.fixture
def mine(tmp_path):
    """Writes a catalogue file and returns its path."""

    def write(text):
        file = tmp_path / "mine.toml"
        file.write_text(text)
        return file

    return write


def test_the_built_in_catalogue_is_valid():
    ran = forebay("catalogue", "check")
    assert ran.returncode == 0, ran.stderr
    assert "valid" in ran.stdout


def test_a_good_file_over_it_is_good(mine):
    assert forebay("catalogue", "check", mine(OFFER + PRICE)).returncode == 0


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_file_and_line(mine, mistake):
    text, line, word = MISTAKES[mistake]
    file = mine(text)
    ran = forebay("catalogue", "check", file)
    assert ran.returncode != 0
    assert f"{file}:{line}" in ran.stderr
    assert word in ran.stderr


def test_a_file_that_is_not_there_is_named(tmp_path):
    ran = forebay("catalogue", "check", tmp_path / "absent.toml")
    assert ran.returncode != 0
    assert "absent.toml" in ran.stderr


def test_a_list_in_json_has_prices():
    rows = json.loads(forebay("catalogue", "list", "--model", "gpt-4o", "--json").stdout)
    assert {row["model"] for row in rows} == {"gpt-4o"}
    assert {"openai", "azure"} <= {row["seller"] for row in rows}
    assert all(row["price"]["input"] > 0 and row["price"]["output"] > 0 for row in rows)
    assert all(row["source"].startswith("https://") and row["date"] for row in rows)


def test_a_file_overrides_what_is_listed(mine):
    ran = forebay("catalogue", "list", "--model", "gpt-4o", "--json", "--file", mine(OFFER + PRICE))
    prices = {row["seller"]: row["price"] for row in json.loads(ran.stdout)}
    assert prices["azure"]["input"] == 2_000_000
    assert prices["openai"]["input"] != 2_000_000


def test_a_model_that_nobody_sells_is_named():
    ran = forebay("catalogue", "list", "--model", "no-such-model")
    assert ran.returncode != 0
    assert "no-such-model" in ran.stderr


@pytest.fixture
def check(tmp_path):
    """Runs `forebay check` on a configuration."""

    def run(text):
        file = tmp_path / "forebay.toml"
        file.write_text(text)
        return forebay("check", "--config", file)

    return run


UPSTREAM = '[[upstreams]]\nname = "one"\nprovider = "openai"\nkey = "env:PATH"\n'


def test_an_upstream_may_name_an_offer(check):
    ran = check(UPSTREAM + 'models = { x = "catalogue:gpt-4o" }\n')
    assert ran.returncode == 0, ran.stderr


def test_an_offer_that_there_is_not_fails_the_check(check):
    ran = check(UPSTREAM + 'models = { x = "catalogue:nope" }\n')
    assert ran.returncode != 0
    assert "nope" in ran.stderr
    assert "forebay.toml:5" in ran.stderr


def test_a_bad_catalogue_file_fails_the_check_with_its_line(check, mine):
    file = mine(OFFER + "price = { input = -1, output = 8_000_000 }\n")
    ran = check('[catalogue]\nfiles = ["mine.toml"]\n' + UPSTREAM)
    assert ran.returncode != 0
    assert f"{file.name}:4" in ran.stderr


def test_a_catalogue_file_that_is_not_there_fails_the_check(check):
    ran = check('[catalogue]\nfiles = ["absent.toml"]\n' + UPSTREAM)
    assert ran.returncode != 0
    assert "absent.toml" in ran.stderr


def test_the_configured_files_decide_what_a_model_is_called_upstream(tmp_path):
    private = tmp_path / "mine.toml"
    private.write_text(f'[[offer]]\nseller = "openai"\nmodel = "gpt-4o"\nid = "{OpenAI.models[0]}"\n')
    with OpenAI() as cloud:
        auth = 'auth = { kind = "openai", key = "env:OPENAI_KEY" }\n'
        config = f'[catalogue]\nfiles = ["{private}"]\n'
        config += '[[upstreams]]\nname = "one"\nprovider = "openai"\nhealth_path = ""\n'
        config += f'urls = ["{cloud.url}"]\n{auth}models = {{ x = "catalogue:gpt-4o" }}\n'
        with Gateway(config, env={"OPENAI_KEY": cloud.key}) as gateway:
            body = {"model": "x", "messages": [{"role": "user", "content": "Hello"}]}
            answer = httpx.post(f"{gateway.api}/chat/completions", json=body)
            assert answer.status_code == 200, answer.text
        assert cloud.requests[-1].json()["model"] == OpenAI.models[0]
