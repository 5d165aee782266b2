"""Writes golden.json: what AWS's, Oracle's and Google's own Python code makes of the requests that the Rust tests make.

Run once, and again when a vendor changes its signatures:
    python -m venv venv && venv/bin/pip install -r requirements.txt && venv/bin/python golden.py
"""

import datetime
import json
import pathlib
from unittest import mock

import botocore
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
import google.auth
import oci
from google.auth import crypt, jwt
from google.oauth2 import service_account
from oci._vendor import requests
from oci.auth.federation_client import AuthTokenRequestSigner

HERE = pathlib.Path(__file__).parent
KEY = (HERE.parent / "credentials/keys/rsa-pkcs8.pem").read_text()
NOW = datetime.datetime(2026, 1, 31, 12, 0, 0)
DATE = "Sat, 31 Jan 2026 12:00:00 GMT"
ACCESS = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
BODY = '{"messages":[{"role":"user","content":"Grüße"}]}'


def bedrock_url():
    """The URL that botocore's own client calls for a model with a colon in its name."""
    client = botocore.session.Session().create_client(
        "bedrock-runtime", "eu-central-1", aws_access_key_id=ACCESS, aws_secret_access_key=SECRET
    )
    seen = []

    def answer(request, **_):
        seen.append(request.url)
        return botocore.awsrequest.AWSResponse(request.url, 200, {}, mock.Mock(stream=lambda: iter([b"{}"])))

    client.meta.events.register("before-send", answer)
    client.invoke_model(modelId=MODEL, body=BODY)
    return seen[0]


def sigv4(name, url, token=None, method="POST", body=BODY):
    headers = {"content-type": "application/json"} if body else {}
    request = botocore.awsrequest.AWSRequest(method, url, headers, body.encode())
    credentials = botocore.credentials.Credentials(ACCESS, SECRET, token)
    with mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: NOW):
        botocore.auth.SigV4Auth(credentials, "bedrock", "eu-central-1").add_auth(request)
    return {
        "name": name,
        "method": method,
        "url": url,
        "body": body,
        "token": token,
        "authorization": request.headers["Authorization"],
        "date": request.headers["X-Amz-Date"],
    }


def signed_by_oci(name, signer, method, url, body):
    headers = {"date": DATE}
    if body:
        headers["content-type"] = "application/json"
    request = requests.Request(method, url, headers=headers, data=body.encode() or None).prepare()
    request = signer(request)
    fields = dict(part.split("=", 1) for part in request.headers["authorization"].removeprefix("Signature ").split('",'))
    return {
        "name": name,
        "method": method,
        "url": url,
        "body": body,
        "fields": {key: value.strip('"') for key, value in fields.items()},
        "sha256": request.headers.get("x-content-sha256"),
    }


def main():
    bedrock = bedrock_url()
    host = "https://bedrock-runtime.eu-central-1.amazonaws.com"
    key = oci.signer.load_private_key(KEY, None)
    user = oci.signer.Signer(
        "ocid1.tenancy.oc1..test", "ocid1.user.oc1..test", "20:3b:97:13", None, private_key_content=KEY
    )
    genai = "https://inference.generativeai.eu-frankfurt-1.oci.oraclecloud.com"
    certificate = mock.Mock(get_private_key=lambda: key)
    federation = AuthTokenRequestSigner("ocid1.tenancy.oc1..test", "AA:BB", certificate)
    account = service_account.Credentials(
        crypt.RSASigner.from_string(KEY, "key-1"),
        "forebay@test.iam.gserviceaccount.com",
        "https://oauth2.googleapis.com/token",
        scopes=["https://www.googleapis.com/auth/cloud-platform"],
    )
    with mock.patch("google.auth._helpers.utcnow", lambda: NOW):
        assertion = account._make_authorization_grant_assertion().decode()
    golden = {
        "made_with": f"botocore {botocore.__version__}, oci {oci.__version__}, google-auth {google.auth.__version__}",
        "now": int(NOW.replace(tzinfo=datetime.timezone.utc).timestamp()),
        "sigv4": [
            sigv4("model id with an encoded colon, as botocore's client writes it", bedrock),
            sigv4("model id with a bare colon", f"{host}/model/{MODEL}/converse-stream"),
            sigv4("session token", f"{host}/model/m/converse", token="IQoJb3JpZ2luX2VjEXAMPLE/+=="),
            sigv4("query, blanks and a port", "https://localhost:8443/a%20b/c?z=1&a=%2F&b", method="GET", body=""),
            sigv4("inference profile's ARN", f"{host}/model/arn%3Aaws%3Abedrock%3Aeu%3A1%3Ainference-profile%2Fx/invoke"),
        ],
        "oci": [
            signed_by_oci("post", user, "POST", f"{genai}/20231130/actions/v1/chat/completions", BODY),
            signed_by_oci("get", user, "GET", f"{genai}/20231130/models?limit=5", ""),
        ],
        "federation": signed_by_oci(
            "federation", federation, "POST", "https://auth.eu-frankfurt-1.oraclecloud.com/v1/x509", BODY
        ),
        "google": {"header": jwt.decode_header(assertion), "claims": jwt.decode(assertion, verify=False)},
    }
    (HERE / "golden.json").write_text(json.dumps(golden, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
