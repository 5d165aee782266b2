"""Oracle's Generative AI inference: signed requests to one action, in two formats."""

from .credentials.oracle import ApiKey, verify
from .dialects import oci
from .dialects.common import reply
from .openai import html, retry_later
from .server import Cloud, Refusal, Reply
from .sse import data

COMPARTMENT = "ocid1.compartment.oc1..forebay"
GENERIC_MODEL, COHERE_MODEL = "meta.llama-4-maverick", "cohere.command-r-08-2024"
FORMATS = {GENERIC_MODEL: "GENERIC", COHERE_MODEL: "COHERE"}
WORDS = {
    "invalid": "400",
    "context": "400",
    "auth": "NotAuthenticated",
    "denied": "NotAuthorizedOrNotFound",
    "missing": "NotAuthorizedOrNotFound",
    "rate": "TooManyRequests",
}
FAILED = {"code": "500", "message": "Internal error"}


class Oci(Cloud):
    """inference.generativeai.REGION.oci.oraclecloud.com."""

    routes = (("POST", "/20231130/actions/chat", "chat"),)

    def __init__(self, key=None):
        super().__init__()
        self.key = key or ApiKey()

    def authenticate(self, request):
        verify(request, self.key)

    def error(self, refusal):
        if refusal.kind == "html":
            return html(refusal)
        code = WORDS.get(refusal.kind, "InternalServerError")
        reply = Reply.json({"code": code, "message": refusal.message}, refusal.status)
        reply.headers["opc-request-id"] = "FAKE/REQUEST/ID"
        return retry_later(refusal, reply)

    def chat(self, request):
        ask = oci.ask(request.json())
        body = request.json()
        if body["compartmentId"] != COMPARTMENT:
            raise Refusal(404, "missing", "Authorization failed or requested resource not found.")
        if FORMATS.get(ask.model) != ask.format:
            raise Refusal(400, "invalid", f"Entity with key {ask.model} not found, or not in format {ask.format}")
        return reply(ask, oci, ask.streamed, data(FAILED))
