"""Each vendor's own client before the fake of its own cloud: what passes here proves the fakes faithful."""

import anthropic
import openai
import pytest
from google.oauth2 import credentials as google_credentials

from speakers import (
    AnthropicSpeaker,
    BedrockSpeaker,
    CohereSpeaker,
    GenaiSpeaker,
    MistralSpeaker,
    OpenAISpeaker,
    ResponsesSpeaker,
)
from speakers.claims import Claims

from . import azure as azure_cloud
from . import bedrock as bedrock_cloud
from . import cohere as cohere_cloud
from . import gemini as gemini_cloud
from . import mistral as mistral_cloud
from . import openai as openai_cloud
from . import vertex as vertex_cloud
from . import vllm as vllm_cloud
from .anthropic import KEY as ANTHROPIC_KEY
from .anthropic import Anthropic
from .credentials.entra import RESOURCE, Entra
from .credentials.google import SCOPE, GoogleTokens
from .credentials.sigv4 import Keys

OPENAI_OPTIONS = {"max_retries": 0, "_strict_response_validation": True}


def standing(cloud, make):
    """A fixture body: the cloud, and the speaker at it. The claims check that nothing was refused."""
    with cloud:
        speaker = make(cloud.url)
        speaker.clouds = [cloud]
        yield speaker
        speaker.close()


@pytest.fixture(scope="class")
def speaker(request):
    yield from request.cls.speaking()


class TestOpenAI(Claims):
    @classmethod
    def speaking(cls):
        yield from standing(openai_cloud.OpenAI(), lambda url: OpenAISpeaker.at(url, "gpt-5-mini", openai_cloud.KEY))


class TestOpenAIResponses(Claims):
    @classmethod
    def speaking(cls):
        yield from standing(openai_cloud.OpenAI(), lambda url: ResponsesSpeaker.at(url, "gpt-5-mini", openai_cloud.KEY))


class TestVllm(Claims):
    @classmethod
    def speaking(cls):
        yield from standing(vllm_cloud.Vllm(), lambda url: OpenAISpeaker.at(url, vllm_cloud.MODEL))


class TestAzureDeployment(Claims):
    @classmethod
    def speaking(cls):
        def make(url):
            options = {"azure_endpoint": url, "api_version": azure_cloud.API_VERSION, "api_key": azure_cloud.KEY}
            return OpenAISpeaker(openai.AzureOpenAI(**options, **OPENAI_OPTIONS), azure_cloud.Azure.models[0])

        yield from standing(azure_cloud.Azure(), make)


class TestAzureV1WithEntra(Claims):
    @classmethod
    def speaking(cls):
        with Entra() as entra:

            def make(url):
                key = lambda: entra.tokens.give(RESOURCE)  # noqa: E731
                client = openai.OpenAI(base_url=f"{url}/openai/v1", api_key=key, **OPENAI_OPTIONS)
                return OpenAISpeaker(client, azure_cloud.Azure.models[0])

            yield from standing(azure_cloud.Azure(entra), make)


class TestAnthropic(Claims):
    @classmethod
    def speaking(cls):
        yield from standing(Anthropic(), lambda url: AnthropicSpeaker.at(url, Anthropic.models[0], ANTHROPIC_KEY))

    def test_tokens_are_counted(self, speaker):
        assert speaker.count("one two three") == 7


class TestAnthropicOnBedrock(Claims):
    @classmethod
    def speaking(cls):
        keys = Keys(token="session-token/of+temporary=keys")

        def make(url):
            own = {"aws_access_key": keys.access, "aws_secret_key": keys.secret, "aws_session_token": keys.token}
            client = anthropic.AnthropicBedrock(base_url=url, aws_region=bedrock_cloud.REGION, **own, **OPENAI_OPTIONS)
            return AnthropicSpeaker(client, bedrock_cloud.NEW_MODEL)

        yield from standing(bedrock_cloud.Bedrock(keys), make)


class TestAnthropicOnVertex(Claims):
    @classmethod
    def speaking(cls):
        with GoogleTokens() as google:

            def make(url):
                place = {"region": vertex_cloud.LOCATION, "project_id": vertex_cloud.PROJECT}
                token = google.tokens.give(SCOPE)
                client = anthropic.AnthropicVertex(base_url=f"{url}/v1", access_token=token, **place, **OPENAI_OPTIONS)
                return AnthropicSpeaker(client, vertex_cloud.CLAUDE)

            yield from standing(vertex_cloud.Vertex(google), make)


class TestBedrock(Claims):
    keys = Keys()

    @classmethod
    def speaking(cls):
        keys = cls.keys

        def make(url):
            own = {"aws_access_key_id": keys.access, "aws_secret_access_key": keys.secret}
            return BedrockSpeaker.at(url, bedrock_cloud.MODEL, aws_session_token=keys.token, **own)

        yield from standing(bedrock_cloud.Bedrock(keys), make)


class TestBedrockWithSessionToken(TestBedrock):
    keys = Keys(token="session-token/of+temporary=keys")


class TestBedrocksOpenAIPath(Claims):
    @classmethod
    def speaking(cls):
        def make(url):
            client = openai.OpenAI(base_url=f"{url}/openai/v1", api_key=bedrock_cloud.KEY, **OPENAI_OPTIONS)
            return OpenAISpeaker(client, bedrock_cloud.OPENAI_MODEL)

        yield from standing(bedrock_cloud.Bedrock(), make)


class TestGemini(Claims):
    @classmethod
    def speaking(cls):
        yield from standing(
            gemini_cloud.Gemini(), lambda url: GenaiSpeaker.at(url, gemini_cloud.MODEL, gemini_cloud.KEY)
        )


class TestGeminiOnVertex(Claims):
    @classmethod
    def speaking(cls):
        with GoogleTokens() as google:

            def make(url):
                own = google_credentials.Credentials(google.tokens.give(SCOPE))
                place = {"project": vertex_cloud.PROJECT, "location": vertex_cloud.LOCATION}
                return GenaiSpeaker.at(url, vertex_cloud.MODEL, vertexai=True, credentials=own, **place)

            yield from standing(vertex_cloud.Vertex(google), make)


class TestCohere(Claims):
    @classmethod
    def speaking(cls):
        yield from standing(
            cohere_cloud.Cohere(), lambda url: CohereSpeaker.at(url, cohere_cloud.MODEL, cohere_cloud.KEY)
        )

    def test_texts_are_embedded(self, speaker):
        said = speaker.client.embed(
            model=cohere_cloud.EMBED_MODEL, input_type="search_query", texts=["a", "b c"], embedding_types=["float"]
        )
        assert len(said.embeddings.float_) == 2


class TestMistral(Claims):
    @classmethod
    def speaking(cls):
        model = mistral_cloud.Mistral.models[0]
        yield from standing(mistral_cloud.Mistral(), lambda url: MistralSpeaker.at(url, model, mistral_cloud.KEY))
