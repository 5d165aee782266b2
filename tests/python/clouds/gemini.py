"""The Gemini API: generateContent by key; and its errors, which Vertex shares."""

from .dialects import gemini
from .dialects.common import reply
from .openai import html, retry_later
from .server import Cloud, Refusal, Reply
from .sse import data

KEY = "AIza-fake-gemini"
MODEL = "gemini-3-flash"
WORDS = {
    "invalid": "INVALID_ARGUMENT",
    "context": "INVALID_ARGUMENT",
    "auth": "UNAUTHENTICATED",
    "denied": "PERMISSION_DENIED",
    "missing": "NOT_FOUND",
    "rate": "RESOURCE_EXHAUSTED",
    "server": "INTERNAL",
    "overloaded": "UNAVAILABLE",
}
CONTEXT = "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."
FAILED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


def error(refusal):
    if refusal.kind == "html":
        return html(refusal)
    message = CONTEXT if refusal.kind == "context" else refusal.message
    said = {"code": refusal.status, "message": message, "status": WORDS[refusal.kind]}
    if refusal.kind == "rate":
        said["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}]
    return retry_later(refusal, Reply.json({"error": said}, refusal.status))


def generate(request, model, right, streamed):
    """Answers generateContent, whichever cloud was asked."""
    if model != right:
        raise Refusal(404, "missing", f"models/{model} is not found for API version v1beta")
    if streamed and request.query.get("alt") != "sse":
        raise Refusal(400, "invalid", "this fake streams with alt=sse only")
    return reply(gemini.ask(request.json(), model), gemini, streamed, data(FAILED))


class Gemini(Cloud):
    """generativelanguage.googleapis.com."""

    routes = (
        ("POST", "/v1(?:beta)?/models/([^/:]+):generateContent", "generate"),
        ("POST", "/v1(?:beta)?/models/([^/:]+):streamGenerateContent", "stream"),
    )

    def authenticate(self, request):
        if request.headers.get("x-goog-api-key") != KEY:
            raise Refusal(403, "denied", "Method doesn't allow unregistered callers.")

    def error(self, refusal):
        return error(refusal)

    def generate(self, request, model):
        return generate(request, model, MODEL, streamed=False)

    def stream(self, request, model):
        return generate(request, model, MODEL, streamed=True)
