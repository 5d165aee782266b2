"""OpenAI's API: chat, responses, completions, embeddings, models; and what Azure, engines and Mistral share with it."""

from .dialects import chat, completions, responses
from .dialects.common import reply
from .server import Cloud, Refusal, Reply
from .sse import data

KEY = "sk-fake-openai"
ORGANIZATION, PROJECT = "org-forebay", "proj_forebay"
# neutral kind → (type, code)
WORDS = {
    "invalid": ("invalid_request_error", None),
    "context": ("invalid_request_error", "context_length_exceeded"),
    "auth": ("invalid_request_error", "invalid_api_key"),
    "denied": ("invalid_request_error", "permission_denied"),
    "missing": ("invalid_request_error", "model_not_found"),
    "rate": ("requests", "rate_limit_exceeded"),
    "server": ("server_error", None),
    "overloaded": ("server_error", "overloaded"),
}
FAILED = {"error": {"message": "The server had an error", "type": "server_error", "param": None, "code": None}}
# At once: no test waits for an upstream that another has asked to fail.
RETRY_AFTER = 0


def error(refusal):
    """A refusal as OpenAI says it, or as a broken load balancer does."""
    if refusal.kind == "html":
        return html(refusal)
    kind, code = WORDS.get(refusal.kind, WORDS["invalid"])
    said = {"error": {"message": refusal.message, "type": kind, "param": None, "code": code}}
    return retry_later(refusal, Reply.json(said, refusal.status))


def html(refusal):
    return Reply(refusal.message.encode(), refusal.status, {"content-type": "text/html; charset=utf-8"})


def retry_later(refusal, reply):
    if refusal.status in (429, 503):
        reply.headers["retry-after"] = RETRY_AFTER
    return reply


def bearer(request, key):
    if request.headers.get("authorization") != f"Bearer {key}":
        raise Refusal(401, "auth", "Incorrect API key provided")


class OpenAI(Cloud):
    """api.openai.com. A client may name the organization and project; wrong ones are refused."""

    key = KEY
    models = ("gpt-5-mini",)
    routes = (
        ("POST", "/v1/chat/completions", "chat"),
        ("POST", "/v1/completions", "completions"),
        ("POST", "/v1/responses", "responses"),
        ("POST", "/v1/embeddings", "embeddings"),
        ("GET", "/v1/models", "list_models"),
    )

    def authenticate(self, request):
        bearer(request, self.key)
        for name, right in (("openai-organization", ORGANIZATION), ("openai-project", PROJECT)):
            if request.headers.get(name, right) != right:
                raise Refusal(401, "auth", f"{name} {request.headers[name]!r} does not fit the key")

    def error(self, refusal):
        return error(refusal)

    def body(self, request):
        """The JSON body, whose model must be one of this cloud's."""
        body = request.json()
        if body.get("model") not in self.models:
            raise Refusal(404, "missing", f"The model `{body.get('model')}` does not exist")
        return body

    def chat(self, request):
        body = self.body(request)
        return reply(chat.ask(body), chat, body.get("stream"), data(FAILED))

    def completions(self, request):
        body = self.body(request)
        return reply(completions.ask(body), completions, body.get("stream"), data(FAILED))

    def responses(self, request):
        body = self.body(request)
        failed = {"type": "error", "code": "server_error", "message": "The server had an error", "param": None}
        return reply(responses.ask(body), responses, body.get("stream"), data({**failed, "sequence_number": 3}))

    def embeddings(self, request):
        return Reply.json(completions.embeddings(self.body(request)))

    def list_models(self, request):
        listed = [{"id": m, "object": "model", "created": chat.CREATED, "owned_by": "fake"} for m in self.models]
        return Reply.json({"object": "list", "data": listed})
