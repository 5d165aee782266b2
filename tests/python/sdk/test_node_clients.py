"""The JavaScript clients before the gateway and unlike upstreams."""

import pytest

import nodeclients

from .everywhere import UNLIKE


# Cohere's model here sees nothing. Vercel's client asks Anthropic for an object by a call, and for one call at most,
# which only some others can be told.
LACKS = {
    "": ("at-cohere:image",),
    "ai-anthropic": ("at-cohere:image", "at-gemini:object", "at-cohere:object", "at-oci:object", "at-bedrock:object"),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("suite", nodeclients.SUITES)
def test_javascript(suite, gateway, key):
    nodeclients.run(suite, gateway.url, key, UNLIKE, LACKS.get(suite, LACKS[""]))
