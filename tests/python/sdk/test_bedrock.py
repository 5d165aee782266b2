"""boto3 on Converse, before unlike upstreams; the gateway's key goes as a Bedrock API key, over TLS."""

import botocore.exceptions
import pytest

from speakers import BedrockSpeaker
from speakers.claims import Claims

from .everywhere import UNLIKE


def speaking(gateway, model):
    return BedrockSpeaker.at(gateway.url, model, verify=gateway.certificate)


@pytest.fixture(scope="class")
def at(tls_gateway, key):
    """Clients whose credential comes from where boto3 looks for an API key, at the first request."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_BEARER_TOKEN_BEDROCK", key)
        yield lambda model: speaking(tls_gateway, model)


class TestConverse(Claims):
    upstreams = (*UNLIKE, "at-bedrock-invoke", "at-vllm")


@pytest.mark.parametrize("model", UNLIKE)
@pytest.mark.parametrize(
    ("marker", "code"),
    [
        ("fail:429", "ThrottlingException"),
        ("fail:contextlength", "ValidationException"),
        ("fail:503", "ServiceUnavailableException"),
    ],
)
def test_failures_have_amazons_names(at, model, marker, code):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        at(model).say(marker)
    assert caught.value.response["Error"]["Code"] == code


def test_a_wrong_key_is_denied(tls_gateway, wrong_key, monkeypatch):
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", wrong_key)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        speaking(tls_gateway, "at-openai").say("hello")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (401, 403)
