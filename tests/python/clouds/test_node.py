"""The JavaScript clients before the fakes of their own clouds."""

import pytest

import nodeclients

from .anthropic import KEY as ANTHROPIC_KEY
from .anthropic import Anthropic
from .openai import KEY as OPENAI_KEY
from .openai import OpenAI


@pytest.mark.parametrize("suite", ["openai", "ai-openai"])
def test_openais_dialect(suite):
    with OpenAI() as cloud:
        nodeclients.run(suite, cloud.url, OPENAI_KEY, cloud.models)
        expected = ["Incorrect API key provided"] if suite == "openai" else []
        refused = cloud.refused()
        assert len(refused) == len(expected) and all(e in r for e, r in zip(expected, refused, strict=True)), refused


def test_anthropics_dialect():
    with Anthropic() as cloud:
        nodeclients.run("ai-anthropic", cloud.url, ANTHROPIC_KEY, cloud.models)
