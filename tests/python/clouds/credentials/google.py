"""Google's token endpoints: service accounts (RFC 7523), the metadata server, STS and impersonation."""

import datetime
import json
import urllib.parse

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import exceptions, jwt

from ..server import Cloud, Refusal, Reply
from .tokens import Tokens

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
EMAIL = "gateway@forebay-test.iam.gserviceaccount.com"
POOL = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/forebay/providers/oidc"
SUBJECT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJmb3JlYmF5In0.subject-token-of-the-workload"
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


class GoogleTokens(Cloud):
    """oauth2.googleapis.com, sts.googleapis.com, iamcredentials.googleapis.com and metadata.google.internal in one."""

    routes = (
        ("POST", "/token", "service_account"),
        ("POST", "/v1/token", "exchange"),
        ("POST", r"/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken", "impersonate"),
        ("GET", "/computeMetadata/v1/instance/service-accounts/([^/]+)/token", "metadata"),
    )

    def __init__(self):
        super().__init__()
        self.tokens, self.federated = Tokens("ya29.fake-"), Tokens("ya29.federated-")
        self.key = rsa.generate_private_key(65537, 2048)

    def service_account_file(self):
        """The JSON key file of a service account whose tokens this server gives out."""
        private = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "forebay-test",
            "private_key_id": "fake-key",
            "private_key": private.decode(),
            "client_email": EMAIL,
            "client_id": "1234567890",
            "auth_uri": f"{self.url}/auth",
            "token_uri": f"{self.url}/token",
        }

    def workload_file(self, subject_file, impersonated=False):
        """An external_account file whose subject token is in `subject_file`."""
        file = {
            "type": "external_account",
            "audience": POOL,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{self.url}/v1/token",
            "credential_source": {"file": str(subject_file)},
        }
        if impersonated:
            file["service_account_impersonation_url"] = (
                f"{self.url}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
            )
        return file

    def error(self, refusal):
        return Reply.json({"error": refusal.kind, "error_description": refusal.message}, refusal.status)

    def service_account(self, request):
        form = _form(request, {"grant_type", "assertion"})
        if form["grant_type"] != JWT_GRANT:
            raise Refusal(400, "unsupported_grant_type", f"Invalid grant_type: {form['grant_type']}")
        public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        try:
            claims = jwt.decode(form["assertion"], certs=public, audience=[f"{self.url}/token", GOOGLE_AUDIENCE])
        except (exceptions.GoogleAuthError, ValueError) as error:
            raise Refusal(400, "invalid_grant", f"Invalid JWT: {error}") from error
        if claims.get("iss") != EMAIL:
            raise Refusal(400, "invalid_grant", "Invalid issuer")
        if claims["exp"] - claims["iat"] > 3600:
            raise Refusal(400, "invalid_grant", "Invalid JWT: the token lives longer than an hour")
        if SCOPE not in claims.get("scope", "").split():
            raise Refusal(400, "invalid_scope", f"the scope is {claims.get('scope')!r}, not {SCOPE}")
        return self._given(self.tokens)

    def metadata(self, request, account):
        if request.headers.get("metadata-flavor") != "Google":
            raise Refusal(403, "denied", "Missing Metadata-Flavor:Google header.")
        if account not in ("default", EMAIL):
            raise Refusal(404, "missing", f"no service account {account}")
        reply = self._given(self.tokens)
        reply.headers["metadata-flavor"] = "Google"
        return reply

    def exchange(self, request):
        needed = {"grant_type", "audience", "scope", "requested_token_type", "subject_token", "subject_token_type"}
        form = _form(request, needed, {"options"})
        wrong = {
            name: form[name]
            for name, right in (
                ("grant_type", EXCHANGE_GRANT),
                ("audience", POOL),
                ("requested_token_type", ACCESS_TOKEN),
                ("subject_token", SUBJECT),
                ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
            )
            if form[name] != right
        }
        if wrong:
            raise Refusal(400, "invalid_grant", f"wrong in the exchange: {wrong}")
        said = {"issued_token_type": ACCESS_TOKEN}
        return self._given(self.federated if "/iam" in form["scope"] else self.tokens, **said)

    def impersonate(self, request, account):
        self.federated.verify(request, SCOPE)
        body = request.json()
        if account != EMAIL or SCOPE not in body["scope"]:
            raise Refusal(403, "denied", f"{account} may not be impersonated for {body['scope']}")
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.tokens.lifetime)
        return Reply.json({"accessToken": self.tokens.give(SCOPE), "expireTime": f"{until:%Y-%m-%dT%H:%M:%SZ}"})

    def _given(self, tokens, **more):
        token = tokens.give(SCOPE)
        return Reply.json({"access_token": token, "expires_in": tokens.lifetime, "token_type": "Bearer", **more})


def _form(request, needed, allowed=()):
    """The fields of a form post; others than those are refused."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise Refusal(400, "invalid_request", f"content-type is {request.headers.get('content-type')!r}")
    form = dict(urllib.parse.parse_qsl(request.body.decode(), keep_blank_values=True))
    if needed - form.keys() or form.keys() - needed - set(allowed):
        raise Refusal(400, "invalid_request", f"the form has {sorted(form)}, it needs {sorted(needed)}")
    return form


def write_service_account(tokens, folder):
    """Puts a key file into `folder` and returns its path."""
    file = folder / "service-account.json"
    file.write_text(json.dumps(tokens.service_account_file()))
    return file


def write_workload(tokens, folder, impersonated=False):
    """Puts an external account file and its subject token into `folder` and returns the file's path."""
    subject = folder / "subject-token"
    subject.write_text(SUBJECT)
    file = folder / "external-account.json"
    file.write_text(json.dumps(tokens.workload_file(subject, impersonated)))
    return file
