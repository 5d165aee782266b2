"""boto3 and Anthropic's client for Bedrock come in with a signature instead of a key, over plain HTTP."""

import datetime
import json
import subprocess
import time

import anthropic
import boto3
import botocore.exceptions
import httpx
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from forebay import BINARY, Gateway
from scripted import ScriptedUpstream, chunk

REGION = "eu-central-1"
HELLO = [{"role": "user", "content": [{"text": "hello"}]}]
ANTHROPIC = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 32,
    "messages": [{"role": "user", "content": "hello"}],
}


def create(file, *arguments):
    command = [BINARY, "keys", "--file", file, "--output", "json", "create", "--tenant", "acme", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    made = create(file, "--sigv4", "--sigv4-region", REGION)
    held = create(file, "--sigv4", "--sigv4-region", REGION, "--sigv4-secret", "env:SIGNING")
    revoked = create(file, "--sigv4", "--sigv4-region", REGION)
    subprocess.run([BINARY, "keys", "--file", file, "expire", revoked["id"]], check=True, capture_output=True)
    return {"file": file, "made": made, "held": held, "revoked": revoked}


@pytest.fixture(scope="module")
def upstreams():
    answer = {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi there"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }  # fmt: skip
    chunks = [chunk({"role": "assistant", "content": "hi "}), chunk({"content": "there"}), chunk({}, "stop")]
    with ScriptedUpstream(body=answer) as whole, ScriptedUpstream(chunks=chunks) as streamed:
        yield whole, streamed


@pytest.fixture(scope="module")
def gateway(keys, upstreams):
    config = f"""
[keys]
file = "{keys["file"]}"
"""
    for upstream, model in zip(upstreams, ("whole", "streamed"), strict=True):
        config += f"""
[[upstreams]]
name = "{model}"
urls = ["{upstream.url}"]
health_path = ""
models = {{ "{model}" = "scripted" }}
"""
    with Gateway(config, env={"SIGNING": keys["held"]["secret_access_key"]}) as gateway:
        yield gateway


def client(gateway, key, *, region=REGION, secret=None, token=None):
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=gateway.url,
        region_name=region,
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=secret or key["secret_access_key"],
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


@pytest.mark.parametrize("which", ["made", "held"])
def test_boto3_converses_and_invokes(gateway, keys, which):
    bedrock = client(gateway, keys[which])
    said = bedrock.converse(modelId="whole", messages=HELLO)
    assert said["output"]["message"]["content"] == [{"text": "hi there"}]
    events = list(bedrock.converse_stream(modelId="streamed", messages=HELLO)["stream"])
    text = "".join(e["contentBlockDelta"]["delta"]["text"] for e in events if "contentBlockDelta" in e)
    assert text == "hi there"
    invoked = bedrock.invoke_model(modelId="whole", body=json.dumps(ANTHROPIC))
    assert json.loads(invoked["body"].read())["content"][0]["text"] == "hi there"


def test_a_model_with_a_colon_is_signed_as_it_is_written(gateway, keys):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        client(gateway, keys["made"]).converse(modelId="anthropic.none-v1:0", messages=HELLO)
    assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_anthropics_client_comes_in(gateway, keys):
    key = keys["made"]
    options = {"aws_access_key": key["access_key_id"], "aws_secret_key": key["secret_access_key"], "aws_region": REGION}
    with anthropic.AnthropicBedrock(base_url=gateway.url, max_retries=0, **options) as bedrock:
        request = {"max_tokens": 32, "messages": [{"role": "user", "content": "hello"}]}
        assert bedrock.messages.create(model="whole", **request).content[0].text == "hi there"
        with bedrock.messages.stream(model="streamed", **request) as stream:
            assert stream.get_final_text() == "hi there"
    options["aws_secret_key"] = "0" * 64
    with anthropic.AnthropicBedrock(base_url=gateway.url, max_retries=0, **options) as bedrock:
        with pytest.raises(anthropic.PermissionDeniedError):
            bedrock.messages.create(model="whole", **request)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "0" * 64}, "InvalidSignatureException"),
        ({"region": "us-east-1"}, "InvalidSignatureException"),
        ({"token": "temporary"}, "UnrecognizedClientException"),
    ],
)
def test_boto3_is_told_in_amazons_names(gateway, keys, upstreams, change, code):
    before = len(upstreams[0].requests)
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        client(gateway, keys["made"], **change).converse(modelId="whole", messages=HELLO)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert len(upstreams[0].requests) == before


def test_who_is_not_known_or_revoked_stays_out(gateway, keys):
    unknown = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "x" * 40}
    for key in (unknown, keys["revoked"]):
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            client(gateway, key).converse(modelId="whole", messages=HELLO)
        assert refused.value.response["Error"]["Code"] == "UnrecognizedClientException"


def signed(gateway, key, body=b"", *, at=None, service="bedrock", headers=(), auth=SigV4Auth):
    """A request that botocore signed, as headers and body."""
    body = body or json.dumps({"messages": HELLO}).encode()
    request = AWSRequest("POST", f"{gateway.url}/model/whole/converse", data=body, headers=dict(headers))
    request.headers["content-type"] = "application/json"
    credentials = Credentials(key["access_key_id"], key["secret_access_key"])
    with pytest.MonkeyPatch.context() as patch:
        if at is not None:
            patch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: at)
        auth(credentials, service, REGION).add_auth(request)
    return request.prepare()


def send(request, *, body=None, headers=()):
    replaced = {name.lower() for name, _ in headers}
    kept = [(name, value) for name, value in request.headers.items() if name.lower() not in replaced]
    content = request.body if body is None else body
    return httpx.post(request.url, content=content, headers=[*kept, *headers], trust_env=False)


def test_what_was_altered_or_is_old_is_refused(gateway, keys, upstreams):
    key = keys["made"]
    assert send(signed(gateway, key)).status_code == 200
    before = len(upstreams[0].requests)
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    request = signed(gateway, key)
    refused = {
        "body": send(request, body=request.body.replace(b"hello", b"jello")),
        "header": send(request, headers=[("content-type", "application/json; charset=utf-8")]),
        "old": send(signed(gateway, key, at=now - datetime.timedelta(minutes=6))),
        "early": send(signed(gateway, key, at=now + datetime.timedelta(minutes=6))),
        "service": send(signed(gateway, key, service="sagemaker")),
        "hash": send(signed(gateway, key, headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})),
        "presigned": send(signed(gateway, key, auth=SigV4QueryAuth)),
        "twice": send(request, headers=[("x-amz-date", request.headers["X-Amz-Date"])] * 2),
        "unsigned": send(request, headers=[("x-amz-target", "x")]),
        "cut": send(request, headers=[("authorization", "AWS4-HMAC-SHA256 Credential=x")]),
    }
    for what, answer in refused.items():
        assert answer.status_code == 403, (what, answer.text)
        name = answer.headers["x-amzn-errortype"]
        shape = {"presigned", "twice", "unsigned", "cut"}
        assert name == ("IncompleteSignatureException" if what in shape else "InvalidSignatureException"), what
        assert answer.json()["message"]
    assert len(upstreams[0].requests) == before


def test_a_signature_is_used_up(gateway, keys, upstreams):
    """Equal requests of one moment have equal signatures. Later ones have others, unless they were overheard."""
    key = keys["made"]
    at = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) - datetime.timedelta(minutes=1)
    request = signed(gateway, key, at=at)
    assert [send(request).status_code for _ in range(2)] == [200, 200]
    deadline = time.monotonic() + 20
    while (answer := send(request)).status_code == 200:
        assert time.monotonic() < deadline, "it is accepted for ever"
        time.sleep(0.2)
    assert answer.status_code == 403
    assert answer.headers["x-amzn-errortype"].startswith("InvalidSignatureException"), answer.text
    assert "used before" in answer.text
    assert send(signed(gateway, key)).status_code == 200


def test_a_signature_opens_bedrocks_doors_alone(gateway, keys):
    request = signed(gateway, keys["made"])
    headers = {name: request.headers[name] for name in ("Authorization", "X-Amz-Date")}
    answer = httpx.get(f"{gateway.url}/v1/models", headers=headers, trust_env=False)
    assert answer.status_code == 401


def test_secrets_are_in_no_keys_file_and_no_log(gateway, keys):
    text = keys["file"].read_text() + gateway.logged()
    for name in ("made", "held", "revoked"):
        assert keys[name]["secret_access_key"] not in text
        assert keys[name]["access_key_id"] in keys["file"].read_text()
    kept = keys["file"].parent / keys["made"]["secret_reference"].removeprefix("file:")
    assert kept.stat().st_mode & 0o777 == 0o600
