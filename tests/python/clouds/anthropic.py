"""Anthropic's API: messages and count_tokens, with pings in its streams."""

from .dialects import messages
from .dialects.common import reply
from .openai import bearer, html, retry_later
from .server import Cloud, Refusal, Reply
from .sse import event_by_type

KEY = "sk-ant-fake"
# neutral kind → type
WORDS = {
    "invalid": "invalid_request_error",
    "context": "invalid_request_error",
    "auth": "authentication_error",
    "denied": "permission_error",
    "missing": "not_found_error",
    "rate": "rate_limit_error",
    "server": "api_error",
    "overloaded": "overloaded_error",
}
FAILED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_fake"}


def error(refusal):
    if refusal.kind == "html":
        return html(refusal)
    # Anthropic's word for "too busy" has a number of its own.
    status = 529 if refusal.kind == "overloaded" else refusal.status
    said = {"type": "error", "error": {"type": WORDS[refusal.kind], "message": refusal.message}}
    return retry_later(refusal, Reply.json({**said, "request_id": "req_fake"}, status))


class Anthropic(Cloud):
    """api.anthropic.com."""

    models = ("claude-sonnet-5-5",)
    routes = (("POST", "/v1/messages", "messages"), ("POST", "/v1/messages/count_tokens", "count"))

    def authenticate(self, request):
        # Since its second major version the SDK sends the key as a bearer.
        if "x-api-key" not in request.headers:
            bearer(request, KEY)
        elif request.headers["x-api-key"] != KEY:
            raise Refusal(401, "auth", "invalid x-api-key")
        if request.headers.get("anthropic-version") not in messages.VERSIONS:
            raise Refusal(
                400, "invalid", f"anthropic-version: {request.headers.get('anthropic-version')!r} is no version"
            )

    def error(self, refusal):
        return error(refusal)

    def body(self, request):
        body = request.json()
        if body.get("model") not in self.models:
            raise Refusal(404, "missing", f"model: {body.get('model')}")
        return body

    def messages(self, request):
        body = self.body(request)
        more = messages.VERSIONS[request.headers["anthropic-version"]]
        return reply(messages.ask(body, more), messages, body.get("stream"), event_by_type(FAILED))

    def count(self, request):
        return Reply.json(messages.count(self.body(request)))
