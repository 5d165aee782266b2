"""Oracle's and SageMaker's own clients before their fakes; neither is a chat client with a dialect of its own."""

import json

import boto3
import botocore.exceptions
import oci
import pytest
from botocore.config import Config
from oci.generative_ai_inference import GenerativeAiInferenceClient, models

from . import oci as cloud
from .credentials.oracle import ApiKey
from .credentials.sigv4 import Keys
from .sagemaker import ENDPOINT, REGION, SageMaker

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.fixture(scope="module")
def key():
    return ApiKey()


@pytest.fixture
def oracle(key):
    with cloud.Oci(key) as fake:
        config = {"tenancy": key.tenancy, "user": key.user, "fingerprint": key.fingerprint, "key_content": key.private}
        client = GenerativeAiInferenceClient(
            {**config, "region": "eu-frankfurt-1"},
            service_endpoint=fake.url,
            retry_strategy=oci.retry.NoneRetryStrategy(),
        )
        client.base_client.endpoint = f"{fake.url}/20231130"
        yield client


def generic(text, **more):
    user = models.UserMessage(content=[models.TextContent(text=text)])
    return models.GenericChatRequest(messages=[user], **more)


def chat(client, request, model=cloud.GENERIC_MODEL):
    serving = models.OnDemandServingMode(model_id=model)
    details = models.ChatDetails(compartment_id=cloud.COMPARTMENT, serving_mode=serving, chat_request=request)
    return client.chat(details).data


def events(answer):
    return [json.loads(event.data) for event in answer.events()]


def test_oracle_answers_in_its_generic_format(oracle):
    answer = chat(oracle, generic("hello cached")).chat_response
    assert answer.choices[0].message.content[0].text == "You said: hello cached"
    assert (answer.choices[0].finish_reason, answer.usage.prompt_tokens_details.cached_tokens) == ("stop", 4)


def test_oracle_streams_its_generic_format(oracle):
    told = events(
        chat(oracle, generic("hello", is_stream=True, stream_options=models.StreamOptions(is_include_usage=True)))
    )
    text = "".join(e["message"]["content"][0]["text"] for e in told if e.get("message", {}).get("content"))
    assert text == "You said: hello"
    assert told[-2]["finishReason"] == "stop"
    assert told[-1]["usage"]["completionTokens"] == 3


def test_oracle_calls_tools_in_fragments(oracle):
    tool = models.FunctionDefinition(name="get_weather", description="weather", parameters=PARAMETERS)
    told = events(chat(oracle, generic("call", tools=[tool], is_stream=True)))
    calls = [call for event in told for call in event.get("message", {}).get("toolCalls", [])]
    assert (calls[0]["name"], json.loads("".join(call["arguments"] for call in calls))) == (
        "get_weather",
        {"city": "Zürich"},
    )


def test_oracle_meets_a_schema(oracle):
    schema = models.ResponseJsonSchema(name="answer", schema=PARAMETERS, is_strict=True)
    wanted = models.JsonSchemaResponseFormat(json_schema=schema)
    answer = chat(oracle, generic("who?", response_format=wanted)).chat_response
    assert json.loads(answer.choices[0].message.content[0].text) == {"city": "Zürich"}


@pytest.mark.parametrize("streamed", [False, True])
def test_oracle_answers_in_coheres_format(oracle, streamed):
    given = models.CohereParameterDefinition(type="str", description="where", is_required=True)
    tool = models.CohereTool(name="get_weather", description="weather", parameter_definitions={"city": given})
    request = models.CohereChatRequest(message="call", tools=[tool], is_stream=streamed)
    answer = chat(oracle, request, cloud.COHERE_MODEL)
    calls = events(answer)[-1]["toolCalls"] if streamed else answer.chat_response.tool_calls
    called = calls[0] if streamed else {"name": calls[0].name, "parameters": calls[0].parameters}
    assert called == {"name": "get_weather", "parameters": {"city": "Zürich"}}


def test_oracles_errors_are_its_own(oracle):
    with pytest.raises(oci.exceptions.ServiceError) as caught:
        chat(oracle, generic("fail:429"))
    assert (caught.value.status, caught.value.code) == (429, "TooManyRequests")


@pytest.fixture
def sagemaker():
    keys = Keys(token="session-token")
    with SageMaker(keys) as fake:
        client = boto3.client(
            "sagemaker-runtime",
            endpoint_url=fake.url,
            region_name=REGION,
            aws_access_key_id=keys.access,
            aws_secret_access_key=keys.secret,
            aws_session_token=keys.token,
            config=Config(retries={"total_max_attempts": 1}),
        )
        yield client
        client.close()


def invocation(text, **more):
    body = json.dumps({"messages": [{"role": "user", "content": text}], **more})
    return {"EndpointName": ENDPOINT, "ContentType": "application/json", "Body": body}


def test_sagemaker_answers(sagemaker):
    answer = json.loads(sagemaker.invoke_endpoint(**invocation("hello"))["Body"].read())
    assert answer["choices"][0]["message"]["content"] == "You said: hello"


def test_sagemaker_streams_parts_that_cut_events(sagemaker):
    answer = sagemaker.invoke_endpoint_with_response_stream(**invocation("hello", stream=True))
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert not all(part.endswith(b"\n\n") for part in parts)
    assert b"".join(parts).endswith(b"data: [DONE]\n\n")


def test_a_stream_of_sagemaker_that_fails_is_an_exception(sagemaker):
    answer = sagemaker.invoke_endpoint_with_response_stream(**invocation("fail:midstream", stream=True))
    with pytest.raises(botocore.exceptions.EventStreamError, match="ModelStreamError"):
        list(answer["Body"])
