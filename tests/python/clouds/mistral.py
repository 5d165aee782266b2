"""Mistral's API."""

from .dialects import mistral
from .dialects.common import reply
from .openai import OpenAI, html, retry_later
from .server import Reply
from .sse import data

KEY = "fake-mistral-key"
FAILED = {"object": "error", "message": "Service tier capacity exceeded", "type": "internal_error", "code": "3505"}
WORDS = {
    "invalid": ("invalid_request_error", "3051"),
    "context": ("invalid_request_error", "3051"),
    "auth": ("unauthorized", None),
    "missing": ("invalid_model", "1500"),
    "rate": ("rate_limited", "1300"),
}


def error(refusal):
    if refusal.kind == "html":
        return html(refusal)
    kind, code = WORDS.get(refusal.kind, ("internal_server_error", "3000"))
    status = 422 if refusal.kind == "invalid" and not refusal.asked_for else refusal.status
    said = {"object": "error", "message": refusal.message, "type": kind, "param": None, "code": code}
    return retry_later(refusal, Reply.json(said, status))


class Mistral(OpenAI):
    """api.mistral.ai."""

    key = KEY
    models = ("mistral-medium-2508",)
    routes = (("POST", "/v1/chat/completions", "chat"), ("GET", "/v1/models", "list_models"))

    def error(self, refusal):
        return error(refusal)

    def chat(self, request):
        body = self.body(request)
        return reply(mistral.ask(body), mistral, body.get("stream"), data(FAILED))
