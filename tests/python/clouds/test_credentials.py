"""The clouds know their callers: the vendors' own signers get in, and whatever is not quite right does not."""

import datetime
import email.utils
import json

import google.auth.exceptions
import httpx
import msal
import oci
import pytest
import requests
from azure.identity import ManagedIdentityCredential
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from google.auth import compute_engine, identity_pool
from google.auth.transport.requests import Request as GoogleRequest
from google.oauth2 import service_account

from . import vertex
from .azure import Azure
from .bedrock import MODEL, Bedrock
from .credentials import entra
from .credentials import google as google_tokens
from .credentials.oracle import ApiKey
from .credentials.sigv4 import Keys
from .oci import COMPARTMENT, GENERIC_MODEL, Oci

HELLO = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
# What MSAL asks of an authority: the endpoints' names and the last words of their paths.
ENDPOINTS = {"authorization_endpoint": "authorize", "token_endpoint": "token", "device_authorization_endpoint": "code"}
SESSION = Keys(token="session/token+of==")


class TestSigV4:
    """Requests signed by botocore and then changed in one place."""

    @pytest.fixture
    def bedrock(self):
        with Bedrock(SESSION) as cloud:
            yield cloud

    def post(self, cloud, keys=SESSION, region="us-east-1", service="bedrock", body=None, path=None, **changes):
        path = path or f"/model/{MODEL.replace(':', '%3A')}/converse"
        body = json.dumps(HELLO).encode() if body is None else body
        signed = AWSRequest("POST", cloud.url + path, headers={"content-type": "application/json"}, data=body)
        SigV4Auth(Credentials(keys.access, keys.secret, keys.token), service, region).add_auth(signed)
        headers = dict(signed.headers) | {name.replace("_", "-"): value for name, value in changes.items()}
        headers = {name: value for name, value in headers.items() if value is not None}
        return headers, body, cloud.url + path

    def answer(self, sent, body=None):
        headers, signed_body, url = sent
        return httpx.post(url, content=body or signed_body, headers=headers)

    def test_a_signed_request_gets_in(self, bedrock):
        assert self.answer(self.post(bedrock)).status_code == 200

    @pytest.mark.parametrize(
        ("options", "code"),
        [
            ({"keys": Keys(secret="another", token=SESSION.token)}, "InvalidSignatureException"),
            ({"keys": Keys(access="AKIASOMEONEELSE", token=SESSION.token)}, "UnrecognizedClientException"),
            ({"keys": Keys()}, "UnrecognizedClientException"),
            ({"region": "eu-west-1"}, "InvalidSignatureException"),
            ({"service": "bedrock-runtime"}, "InvalidSignatureException"),
            ({"content_type": "application/json; charset=utf-8"}, "InvalidSignatureException"),
            ({"X_Amz_Date": "20200101T000000Z"}, "InvalidSignatureException"),
            ({"Authorization": "Bearer"}, "MissingAuthenticationTokenException"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_a_request_signed_wrongly_does_not(self, bedrock, options, code):
        answer = self.answer(self.post(bedrock, **options))
        assert answer.status_code == 403
        assert answer.headers["x-amzn-errortype"].startswith(code)
        assert bedrock.refused()

    def test_a_changed_body_does_not(self, bedrock):
        other = json.dumps(HELLO).replace("hello", "hallo").encode()
        assert self.answer(self.post(bedrock), body=other).status_code == 403
        assert bedrock.refused()

    def test_a_path_signed_unescaped_does_not(self, bedrock):
        headers, body, _ = self.post(bedrock, path=f"/model/{MODEL}/converse")
        escaped = f"{bedrock.url}/model/{MODEL.replace(':', '%3A')}/converse"
        assert httpx.post(escaped, content=body, headers=headers).status_code == 403
        assert bedrock.refused()


@pytest.fixture(scope="module")
def key():
    return ApiKey()


class TestOracle:
    @pytest.fixture
    def cloud(self, key):
        with Oci(key) as cloud:
            yield cloud

    @pytest.fixture
    def signer(self, key):
        return oci.signer.Signer(key.tenancy, key.user, key.fingerprint, None, private_key_content=key.private)

    def body(self):
        serving = {"servingType": "ON_DEMAND", "modelId": GENERIC_MODEL}
        message = {"role": "USER", "content": [{"type": "TEXT", "text": "hello"}]}
        chat = {"apiFormat": "GENERIC", "messages": [message]}
        return {"compartmentId": COMPARTMENT, "servingMode": serving, "chatRequest": chat}

    def post(self, cloud, signer, change=lambda request: None, before=lambda request: None):
        request = requests.Request("POST", f"{cloud.url}/20231130/actions/chat", json=self.body()).prepare()
        before(request)
        request.prepare_auth(signer)
        change(request)
        return requests.Session().send(request)

    def test_a_signed_request_gets_in(self, cloud, signer):
        answer = self.post(cloud, signer)
        assert answer.json()["chatResponse"]["choices"][0]["message"]["content"][0]["text"] == "You said: hello"

    @pytest.mark.parametrize(
        "change",
        [
            lambda request: request.headers.update({"x-content-sha256": "AAAA"}),
            lambda request: request.headers.update({"date": email.utils.formatdate(usegmt=True, timeval=0)}),
            lambda request: request.headers.update(
                {"authorization": request.headers["authorization"].replace("x-content-sha256", "content-type")}
            ),
            lambda request: setattr(request, "url", request.url + "?a=1"),
            lambda request: request.headers.pop("authorization"),
        ],
        ids=["digest", "date", "headers", "target", "none"],
    )
    def test_a_request_changed_after_signing_does_not(self, cloud, signer, change):
        answer = self.post(cloud, signer, change)
        assert (answer.status_code, answer.json()["code"]) == (401, "NotAuthenticated")
        assert cloud.refused()

    def test_an_old_signature_does_not(self, cloud, signer):
        old = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=6)
        stamp = email.utils.format_datetime(old, usegmt=True)
        answer = self.post(cloud, signer, before=lambda request: request.headers.update({"date": stamp}))
        assert "clock skew" in answer.json()["message"]
        assert cloud.refused()

    def test_another_key_does_not(self, cloud, key):
        other = ApiKey()
        signer = oci.signer.Signer(key.tenancy, key.user, key.fingerprint, None, private_key_content=other.private)
        assert self.post(cloud, signer).status_code == 401
        assert cloud.refused()


class TestGoogle:
    @pytest.fixture
    def tokens(self):
        with google_tokens.GoogleTokens() as cloud:
            yield cloud

    def test_a_service_account_gets_a_token(self, tokens):
        info = tokens.service_account_file()
        own = service_account.Credentials.from_service_account_info(info, scopes=[google_tokens.SCOPE])
        own.refresh(GoogleRequest())
        assert own.token.startswith("ya29.fake-")

    @pytest.mark.parametrize(
        "change",
        [{"client_email": "other@forebay-test.iam.gserviceaccount.com"}, {"private_key": ApiKey().private}],
        ids=["issuer", "key"],
    )
    def test_a_wrong_assertion_gets_none(self, tokens, change):
        info = {**tokens.service_account_file(), **change}
        own = service_account.Credentials.from_service_account_info(info, scopes=[google_tokens.SCOPE])
        with pytest.raises(google.auth.exceptions.RefreshError, match="invalid_grant"):
            own.refresh(GoogleRequest())
        assert tokens.refused()

    @pytest.mark.parametrize("impersonated", [False, True])
    def test_a_workload_exchanges_its_token(self, tokens, tmp_path, impersonated):
        file = google_tokens.write_workload(tokens, tmp_path, impersonated)
        own = identity_pool.Credentials.from_file(str(file), scopes=[google_tokens.SCOPE])
        own.refresh(GoogleRequest())
        assert own.token.startswith("ya29.fake-")

    def test_a_machine_asks_its_metadata(self, tokens, monkeypatch):
        monkeypatch.setattr(compute_engine._metadata, "_GCE_METADATA_HOST", tokens.authority)
        token, _ = compute_engine._metadata.get_service_account_token(GoogleRequest(), scopes=[google_tokens.SCOPE])
        assert token.startswith("ya29.fake-")

    def test_metadata_needs_its_header(self, tokens):
        url = f"{tokens.url}/computeMetadata/v1/instance/service-accounts/default/token"
        assert httpx.get(url).status_code == 403
        assert tokens.refused()

    def test_a_foreign_subject_is_not_exchanged(self, tokens, tmp_path):
        file = google_tokens.write_workload(tokens, tmp_path)
        (tmp_path / "subject-token").write_text("somebody else's")
        own = identity_pool.Credentials.from_file(str(file), scopes=[google_tokens.SCOPE])
        with pytest.raises(google.auth.exceptions.OAuthError, match="invalid_grant"):
            own.refresh(GoogleRequest())
        assert tokens.refused()

    def test_vertex_takes_no_other_token(self, tokens):
        with vertex.Vertex(tokens) as cloud:
            place = f"projects/{vertex.PROJECT}/locations/{vertex.LOCATION}"
            url = f"{cloud.url}/v1/{place}/publishers/google/models/{vertex.MODEL}:generateContent"
            for token in ("ya29.fake-9999", tokens.federated.give(google_tokens.SCOPE)):
                answer = httpx.post(url, json={}, headers={"authorization": f"Bearer {token}"})
                assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
            assert len(cloud.refused()) == 2


class TestEntra:
    @pytest.fixture
    def cloud(self):
        with entra.Entra() as cloud:
            yield cloud

    def application(self, cloud, secret=entra.SECRET):
        """MSAL insists on https and on asking about the authority; both are led to the fake."""

        class Led(requests.adapters.HTTPAdapter):
            def send(self, request, **options):
                if request.method == "GET":
                    found = {
                        name: f"https://login/{entra.TENANT}/oauth2/v2.0/{path}" for name, path in ENDPOINTS.items()
                    }
                    answer = requests.Response()
                    answer.status_code, answer._content = 200, json.dumps({**found, "issuer": "https://login"}).encode()
                    return answer
                request.url = f"{cloud.url}/{request.url.split('/', 3)[3]}"
                return super().send(request, **options)

        session = requests.Session()
        session.mount("https://", Led())
        session.mount("http://", Led())
        authority = f"https://login.microsoftonline.com/{entra.TENANT}"
        return msal.ConfidentialClientApplication(
            entra.CLIENT, secret, authority, instance_discovery=False, http_client=session
        )

    def test_a_client_secret_gets_a_token(self, cloud):
        said = self.application(cloud).acquire_token_for_client([entra.SCOPE])
        assert said["access_token"].startswith("eyJ0eXAi.fake-")

    def test_a_wrong_secret_gets_none(self, cloud):
        said = self.application(cloud, "wrong").acquire_token_for_client([entra.SCOPE])
        assert said["error"] == "invalid_client"
        assert cloud.refused()

    def test_a_machine_asks_its_identity(self, cloud, monkeypatch):
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", cloud.url)
        with ManagedIdentityCredential(client_id=entra.CLIENT) as own:
            assert own.get_token(entra.SCOPE).token.startswith("eyJ0eXAi.fake-")

    def test_an_expired_token_is_refused_without_blame(self, cloud):
        with Azure(cloud) as azure:
            token = cloud.tokens.give(entra.RESOURCE)
            cloud.tokens.revoke()
            url = f"{azure.url}/openai/v1/chat/completions"
            assert httpx.post(url, json={}, headers={"authorization": f"Bearer {token}"}).status_code == 401
