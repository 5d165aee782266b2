"""Microsoft Entra's token endpoint for client secrets, and the managed identity endpoint of Azure's machines."""

from ..server import Cloud, Refusal, Reply
from .google import _form
from .tokens import Tokens

TENANT = "72f988bf-0000-4000-8000-forebay00test"
CLIENT = "11111111-2222-4333-8444-555555555555"
SECRET = "entra~secret.of-the+test/only"
RESOURCE = "https://cognitiveservices.azure.com"
SCOPE = f"{RESOURCE}/.default"


class Entra(Cloud):
    """login.microsoftonline.com and 169.254.169.254 in one."""

    routes = (
        ("POST", r"/([^/]+)/oauth2/v2.0/token", "client_credentials"),
        ("GET", "/metadata/identity/oauth2/token", "managed_identity"),
    )

    def __init__(self):
        super().__init__()
        self.tokens = Tokens("eyJ0eXAi.fake-")

    def error(self, refusal):
        said = {
            "error": refusal.kind,
            "error_description": f"{refusal.message} Trace ID: fake",
            "error_codes": [7000215],
        }
        return Reply.json(said, refusal.status)

    def client_credentials(self, request, tenant):
        needed = {"grant_type", "client_id", "client_secret", "scope"}
        form = _form(request, needed, {"client_info"})
        if tenant != TENANT:
            raise Refusal(400, "invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
        if form["grant_type"] != "client_credentials":
            raise Refusal(400, "unsupported_grant_type", "AADSTS70003: unsupported grant type.")
        if (form["client_id"], form["client_secret"]) != (CLIENT, SECRET):
            raise Refusal(401, "invalid_client", "AADSTS7000215: Invalid client secret provided.")
        if form["scope"].split() != [SCOPE]:
            raise Refusal(400, "invalid_scope", f"AADSTS1002012: The scope {form['scope']} is not valid.")
        lifetime = self.tokens.lifetime
        said = {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime}
        return Reply.json({**said, "access_token": self.tokens.give(RESOURCE)})

    def managed_identity(self, request):
        query = request.query
        if request.headers.get("metadata") != "true" or "x-forwarded-for" in request.headers:
            raise Refusal(400, "invalid_request", "Required metadata header not specified")
        if query.get("api-version") != "2018-02-01" or query.get("resource", "").rstrip("/") != RESOURCE:
            raise Refusal(400, "invalid_resource", f"api-version or resource is wrong: {query}")
        if query.get("client_id", CLIENT) != CLIENT:
            raise Refusal(400, "invalid_request", "Identity not found")
        # Azure says numbers as strings here.
        lifetime = str(self.tokens.lifetime)
        said = {"token_type": "Bearer", "expires_in": lifetime, "resource": RESOURCE}
        return Reply.json({**said, "access_token": self.tokens.give(RESOURCE)})
