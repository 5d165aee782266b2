"""Amazon Bedrock's runtime: Converse, InvokeModel with Anthropic's bodies, and the OpenAI-like path."""

import base64
import json

from .credentials.sigv4 import Keys, verify
from .dialects import chat, converse, messages
from .dialects.common import reply
from .openai import bearer, html
from .openai import error as openai_error
from .server import Cloud, Refusal, Reply
from .sse import aws_event, aws_exception, data

KEY = "bedrock-api-key-fake"
REGION = "us-east-1"
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
# The first whose InvokeModel knows the API version 2026-10-21.
NEW_MODEL = "anthropic.claude-opus-4-7-20260416-v1:0"
OPENAI_MODEL = "openai.gpt-oss-120b-1:0"
STREAM = "application/vnd.amazon.eventstream"
WORDS = {
    "invalid": "ValidationException",
    "context": "ValidationException",
    "auth": "UnrecognizedClientException",
    "denied": "AccessDeniedException",
    "missing": "ResourceNotFoundException",
    "rate": "ThrottlingException",
    "server": "InternalServerException",
    "overloaded": "ServiceUnavailableException",
}


def error(refusal):
    """AWS names an error in a header, after which a colon and anything may follow."""
    if refusal.kind == "html":
        return html(refusal)
    code = getattr(refusal, "code", WORDS[refusal.kind])
    message = "Input is too long for requested model." if refusal.kind == "context" else refusal.message
    reply = Reply.json({"message": message}, refusal.status)
    reply.headers["x-amzn-errortype"] = f"{code}:http://internal.amazon.com/coral/com.amazon.bedrock/"
    return reply


class Bedrock(Cloud):
    """bedrock-runtime.REGION.amazonaws.com; takes SigV4 by `keys`, or the API key as a bearer."""

    routes = (
        ("POST", "/model/([^/]+)/converse", "converse"),
        ("POST", "/model/([^/]+)/converse-stream", "converse_stream"),
        ("POST", "/model/([^/]+)/invoke", "invoke"),
        ("POST", "/model/([^/]+)/invoke-with-response-stream", "invoke_stream"),
        ("POST", "/openai/v1/chat/completions", "chat"),
    )

    def __init__(self, keys=Keys()):
        super().__init__()
        self.keys = keys

    def authenticate(self, request):
        if request.headers.get("authorization", "").startswith("Bearer "):
            try:
                bearer(request, KEY)
            except Refusal:
                raise Refusal(403, "denied", "Authentication failed: Please make sure your API Key is valid.") from None
        elif request.path.startswith("/openai/"):
            raise Refusal(401, "auth", "the OpenAI-like path takes API keys only")
        else:
            verify(request, self.keys, REGION, "bedrock")

    def error(self, refusal):
        return error(refusal)

    def converse(self, request, model):
        self._known(model, MODEL)
        return reply(converse.ask(request.json(), model, "Converse"), converse, False, b"")

    def converse_stream(self, request, model):
        self._known(model, MODEL)
        failed = aws_exception("modelStreamErrorException", "The system encountered an unexpected error")
        ask = converse.ask(request.json(), model, "ConverseStream")
        return reply(ask, converse, True, failed, STREAM)

    def invoke(self, request, model):
        return reply(self._invoked(request, model), messages, False, b"")

    def invoke_stream(self, request, model):
        failed = aws_exception("modelStreamErrorException", "The system encountered an unexpected error")
        ask = self._invoked(request, model)
        kind = {"x-amzn-bedrock-content-type": "application/json"}
        return reply(ask, _Chunks, True, failed, STREAM, kind)

    def chat(self, request):
        body = request.json()
        self._known(body.get("model"), OPENAI_MODEL)
        try:
            return reply(chat.ask(body), chat, body.get("stream"), data({"error": {"message": "Internal error"}}))
        except Refusal as refusal:
            if not refusal.asked_for:
                self.remember(refusal.message)
            return openai_error(refusal)

    def _invoked(self, request, model):
        versions = {"bedrock-2023-05-31": messages.SAMPLING}
        if model == NEW_MODEL:
            versions["2026-10-21"] = {}
        else:
            self._known(model, MODEL)
        return anthropic_ask(request.json(), model, versions, streamable=False)

    def _known(self, model, right):
        if model != right:
            raise Refusal(400, "invalid", f"The provided model identifier is invalid: {model!r}")


def anthropic_ask(body, model, versions, streamable):
    """Messages as clouds take them: a version, no model, and `stream` only where the path does not say it.

    `versions` maps each version to the fields that it takes besides those of the newest."""
    version = body.get("anthropic_version")
    if version not in versions:
        raise Refusal(400, "invalid", f"anthropic_version: must be one of {sorted(versions)}, got {version!r}")
    alien = {"model"} | (set() if streamable else {"stream"})
    if alien & body.keys():
        raise Refusal(400, "invalid", f"{sorted(alien & body.keys())}: Extra inputs are not permitted")
    own = {key: value for key, value in body.items() if key not in ("anthropic_version", "anthropic_beta")}
    return messages.ask({**own, "model": model}, versions[version])


class _Chunks:
    """Anthropic's events in Bedrock's chunks: JSON, in base64, in JSON, in a frame."""

    whole = staticmethod(messages.whole)

    @staticmethod
    def events(ask, answer):
        for payload in messages.payloads(ask, answer):
            packed = base64.b64encode(json.dumps(payload).encode()).decode()
            yield aws_event("chunk", {"bytes": packed, "p": "abcdefgh"})
