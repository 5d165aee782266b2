"""Cohere's API: v2 chat and embed."""

from .dialects import cohere
from .dialects.common import reply
from .openai import bearer, html, retry_later
from .server import Cloud, Refusal, Reply
from .sse import event_by_type

KEY = "fake-cohere-key"
MODEL = "command-a-03-2025"
EMBED_MODEL = "embed-v4.0"
# A stream that fails says so in its last event.
FAILED = {"type": "message-end", "id": "fake", "delta": {"finish_reason": "ERROR", "error": "internal error"}}


def error(refusal):
    if refusal.kind == "html":
        return html(refusal)
    return retry_later(refusal, Reply.json({"id": "fake", "message": refusal.message}, refusal.status))


class Cohere(Cloud):
    """api.cohere.com."""

    routes = (("POST", "/v2/chat", "chat"), ("POST", "/v2/embed", "embed"))

    def authenticate(self, request):
        bearer(request, KEY)

    def error(self, refusal):
        return error(refusal)

    def chat(self, request):
        body = self._body(request, MODEL)
        return reply(cohere.ask(body), cohere, body.get("stream"), event_by_type(FAILED))

    def embed(self, request):
        return Reply.json(cohere.embed(self._body(request, EMBED_MODEL)))

    def _body(self, request, model):
        body = request.json()
        if body.get("model") != model:
            raise Refusal(404, "missing", f"model '{body.get('model')}' not found")
        return body
