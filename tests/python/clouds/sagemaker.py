"""Amazon SageMaker's runtime before an engine that speaks OpenAI's chat."""

import itertools

from .bedrock import STREAM, error
from .credentials.sigv4 import Keys, verify
from .dialects import chat
from .dialects.common import reply
from .server import Cloud, Refusal
from .sse import aws_event, aws_exception, data

REGION = "us-east-1"
ENDPOINT = "llama-endpoint"
# Where the container's bytes are cut: never at the end of an event but by chance.
CUTS = (5, 41, 1, 130, 17)


class SageMaker(Cloud):
    """runtime.sagemaker.REGION.amazonaws.com."""

    routes = (
        ("POST", "/endpoints/([^/]+)/invocations", "invoke"),
        ("POST", "/endpoints/([^/]+)/invocations-response-stream", "invoke_stream"),
    )

    def __init__(self, keys=Keys()):
        super().__init__()
        self.keys = keys

    def authenticate(self, request):
        verify(request, self.keys, REGION, "sagemaker")

    def error(self, refusal):
        reply = error(refusal)
        if refusal.kind == "rate":
            reply.headers["x-amzn-errortype"] = "ThrottlingException"
        return reply

    def invoke(self, request, endpoint):
        return reply(self._ask(request, endpoint, streamed=False), chat, False, b"")

    def invoke_stream(self, request, endpoint):
        failed = aws_exception("ModelStreamError", "Your invocation timed out")
        headers = {"x-amzn-sagemaker-content-type": "text/event-stream"}
        return reply(self._ask(request, endpoint, streamed=True), _Parts, True, failed, STREAM, headers)

    def _ask(self, request, endpoint, streamed):
        if endpoint != ENDPOINT:
            raise Refusal(400, "invalid", f"Endpoint {endpoint} of account 123456789012 not found.")
        body = request.json()
        if bool(body.get("stream")) != streamed:
            raise Refusal(400, "invalid", f"`stream` is {body.get('stream')!r}, which does not fit {request.path}")
        return chat.ask({"model": endpoint, **body})


class _Parts:
    """The container's SSE bytes in PayloadPart frames, cut anywhere."""

    @staticmethod
    def events(ask, answer):
        sizes = itertools.cycle(CUTS)
        rest = b"".join(map(data, chat.chunks(ask, answer))) + b"data: [DONE]\n\n"
        while rest:
            size = next(sizes)
            part, rest = rest[:size], rest[size:]
            yield aws_event("PayloadPart", part, "application/octet-stream")
