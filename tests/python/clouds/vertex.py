"""Vertex AI: Gemini, and Anthropic's and Mistral's models by rawPredict, for callers with Google's tokens."""

from .anthropic import FAILED as ANTHROPIC_FAILED
from .anthropic import error as anthropic_error
from .bedrock import anthropic_ask
from .credentials.google import SCOPE, GoogleTokens
from .dialects import messages, mistral
from .dialects.common import reply
from .gemini import MODEL, error, generate
from .mistral import FAILED as MISTRAL_FAILED
from .mistral import error as mistral_error
from .server import Cloud, Refusal
from .sse import data, event_by_type

PROJECT, LOCATION = "forebay-test", "europe-west4"
CLAUDE = "claude-sonnet-4-5@20250929"
CLAUDE_VERSIONS = {"vertex-2023-10-16": messages.SAMPLING, "2026-10-21": {}}
MISTRAL = "mistral-medium-3"
PLACE = f"/v1(?:beta1)?/projects/{PROJECT}/locations/{LOCATION}/publishers"


class Vertex(Cloud):
    """LOCATION-aiplatform.googleapis.com, which takes the tokens of `google`."""

    routes = (
        ("POST", f"{PLACE}/google/models/([^/:]+):generateContent", "generate"),
        ("POST", f"{PLACE}/google/models/([^/:]+):streamGenerateContent", "stream"),
        ("POST", f"{PLACE}/anthropic/models/([^/:]+):(rawPredict|streamRawPredict)", "anthropic"),
        ("POST", f"{PLACE}/mistralai/models/([^/:]+):(rawPredict|streamRawPredict)", "mistral"),
    )

    def __init__(self, google: GoogleTokens):
        super().__init__()
        self.google = google

    def authenticate(self, request):
        self.google.tokens.verify(request, SCOPE)

    def error(self, refusal):
        return error(refusal)

    def generate(self, request, model):
        return generate(request, model, MODEL, streamed=False)

    def stream(self, request, model):
        return generate(request, model, MODEL, streamed=True)

    def anthropic(self, request, model, method):
        self._known(model, CLAUDE)
        body = request.json()
        _fits(body, method)
        try:
            ask = anthropic_ask(body, model, CLAUDE_VERSIONS, streamable=True)
            return reply(ask, messages, body.get("stream"), event_by_type(ANTHROPIC_FAILED))
        except Refusal as refusal:
            return self._publishers(refusal, anthropic_error)

    def mistral(self, request, model, method):
        self._known(model, MISTRAL)
        body = request.json()
        _fits(body, method)
        if body.get("model") != model:
            raise Refusal(400, "invalid", f"model is {body.get('model')!r} in the body")
        try:
            return reply(mistral.ask(body), mistral, body.get("stream"), data(MISTRAL_FAILED))
        except Refusal as refusal:
            return self._publishers(refusal, mistral_error)

    def _publishers(self, refusal, say):
        """Behind rawPredict, errors are the publisher's own."""
        if not refusal.asked_for:
            self.remember(refusal.message)
        return say(refusal)

    def _known(self, model, right):
        if model != right:
            raise Refusal(404, "missing", f"Publisher Model `{model}` was not found")


def _fits(body, method):
    if bool(body.get("stream")) != (method == "streamRawPredict"):
        raise Refusal(400, "invalid", f"`stream` is {body.get('stream')!r}, but the method is {method}")
