"""Azure OpenAI: deployments in the path with an api-version, or the v1 path; api-key or Entra's bearer token."""

from .credentials.entra import RESOURCE, Entra
from .openai import OpenAI
from .server import Refusal, Reply

KEY = "0123456789abcdef0123456789abcdef"
API_VERSION = "2024-10-21"


class Azure(OpenAI):
    """One resource. With `entra` it takes that authority's tokens, else the api-key."""

    models = ("gpt-5-deployment",)
    routes = (
        ("POST", r"/openai/deployments/([^/]+)/chat/completions", "deployed_chat"),
        ("POST", r"/openai/deployments/([^/]+)/embeddings", "deployed_embeddings"),
        ("POST", "/openai/v1/chat/completions", "chat"),
        ("POST", "/openai/v1/responses", "responses"),
        ("POST", "/openai/v1/embeddings", "embeddings"),
    )

    def __init__(self, entra: Entra | None = None):
        super().__init__()
        self.entra = entra

    def authenticate(self, request):
        if self.entra:
            if "api-key" in request.headers:
                raise Refusal(401, "auth", "an api-key came with a resource that takes Entra's tokens only")
            self.entra.tokens.verify(request, RESOURCE)
        elif request.headers.get("api-key") != KEY:
            raise Refusal(401, "auth", "Access denied due to invalid subscription key or wrong API endpoint.")
        version = request.query.get("api-version")
        if "/deployments/" in request.path and version != API_VERSION:
            raise Refusal(404, "missing", f"Resource not found: api-version is {version!r}")

    def error(self, refusal):
        reply = super().error(refusal)
        if refusal.status == 401:
            return Reply.json({"error": {"code": "401", "message": refusal.message}}, 401)
        return reply

    def deployed_chat(self, request, deployment):
        self._deployed(deployment)
        return self.chat(request)

    def deployed_embeddings(self, request, deployment):
        self._deployed(deployment)
        return self.embeddings(request)

    def _deployed(self, deployment):
        if deployment not in self.models:
            raise Refusal(404, "missing", "DeploymentNotFound: The API deployment for this resource does not exist.")

    def body(self, request):
        body = request.json()
        if "/deployments/" in request.path:
            # The path decides; a model in the body is taken and not looked at.
            body["model"] = self.models[0]
        elif body.get("model") not in self.models:
            raise Refusal(404, "missing", f"DeploymentNotFound: {body.get('model')!r}")
        return body
