"""An engine as vLLM 0.32 is: OpenAI's chat without keys, its own fields, health and errors."""

from .dialects import chat
from .dialects.common import reply
from .openai import OpenAI
from .server import Refusal, Reply
from .sse import data

MODEL = "meta-llama/Llama-3.1-8B-Instruct"
# Recorded from vLLM 0.32.
CONTEXT = (
    "This model's maximum context length is 4096 tokens. However, your prompt contains at least 4097 input tokens, "
    "which exceeds this limit even without any output tokens. Please reduce the length of the input prompt. "
    "(parameter=input_tokens, value=4097)"
)


class Vllm(OpenAI):
    """`vllm serve`; takes `cache_salt` and `top_k` besides OpenAI's fields."""

    models = (MODEL,)
    context = 65_536
    own_fields = ("cache_salt", "top_k", "min_p", "repetition_penalty", "chat_template_kwargs")
    routes = (*OpenAI.routes, ("GET", "/health", "health"), ("GET", "/version", "version"))

    def authenticate(self, request):
        pass

    def error(self, refusal):
        reply = super().error(refusal)
        if refusal.kind == "html":
            return reply
        kind = {400: "BadRequestError", 404: "NotFoundError"}.get(refusal.status, "InternalServerError")
        message = CONTEXT if refusal.kind == "context" else refusal.message
        said = {"message": message, "type": kind, "param": None, "code": refusal.status}
        return Reply.json({"error": said}, refusal.status)

    def chat(self, request):
        body = {key: value for key, value in self.body(request).items() if key not in self.own_fields}
        asked = body.get("max_completion_tokens") or body.get("max_tokens") or 0
        if asked > self.context:
            told = f"This model's maximum context length is {self.context} tokens"
            raise Refusal(400, "invalid", f"'max_tokens' or 'max_completion_tokens' is too large: {asked}. {told}.")
        # As the chat templates of many open models do.
        if any(message["role"] in ("system", "developer") for message in body["messages"][1:]):
            raise Refusal(400, "invalid", "System message must be at the beginning.")
        failed = {"error": {"message": "EngineCore died", "type": "InternalServerError", "param": None, "code": 500}}
        return reply(chat.ask(body), chat, body.get("stream"), data(failed))

    def health(self, request):
        return Reply()

    def version(self, request):
        return Reply.json({"version": "0.32.0"})
