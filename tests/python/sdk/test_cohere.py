"""Cohere as an upstream: what Cohere's own client sends and what the gateway sends must mean the same to it.

Cohere's client has no dialect of its own at the gateway; its claims are held in `clouds/test_vendors.py`.
"""

import json

import pytest

from clouds import cohere
from speakers import CohereSpeaker, OpenAISpeaker
from speakers.claims import PERSON, TOOLS

QUESTIONS = {
    "plain": (["hello"], {}),
    "system": (["hello"], {"system": "Be brief"}),
    "tools": (["call get_weather"], {"tools": TOOLS}),
    "required": (["hello"], {"tools": TOOLS, "choice": "required"}),
    "schema": (["who?"], {"schema": PERSON}),
    "limits": (["one two"], {"stop": ["two"], "max_tokens": 9}),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_gateway_asks_as_coheres_client_asks(landscape, gateway, key, name):
    conversation, options = QUESTIONS[name]
    cloud = landscape.upstreams["at-cohere"].cloud
    OpenAISpeaker.at(gateway.url, "at-cohere", key).say(*conversation, **options)
    sent = json.loads(cloud.requests[-1].body)
    CohereSpeaker.at(cloud.url, cohere.MODEL, cohere.KEY).say(*conversation, **options)
    expected = json.loads(cloud.requests[-1].body)
    assert _neutral(sent) == _neutral(expected)


def _neutral(body):
    """Without what says nothing: an explicit `stream: false`, and text given as a string or as one part."""
    body = {name: value for name, value in body.items() if (name, value) != ("stream", False)}
    for message in body["messages"]:
        if isinstance(message.get("content"), str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    return body
