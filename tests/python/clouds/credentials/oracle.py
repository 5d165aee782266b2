"""Checks Oracle's request signatures with the verifier that the oci SDK carries."""

import base64
import datetime
import email.utils
import hashlib
import re
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from oci._vendor.httpsig_cffi.utils import HttpSigException
from oci._vendor.httpsig_cffi.verify import HeaderVerifier

from ..server import Refusal

GENERIC = {"date", "(request-target)", "host"}
BODY = {"content-length", "content-type", "x-content-sha256"}
SKEW = datetime.timedelta(minutes=5)


@dataclass
class ApiKey:
    """A user's API key, with the private half for the client under test."""

    tenancy: str = "ocid1.tenancy.oc1..forebay"
    user: str = "ocid1.user.oc1..forebay"
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048), repr=False)

    @property
    def fingerprint(self):
        der = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.md5(der, usedforsecurity=False).digest().hex(":")

    @property
    def private(self):
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def public(self):
        return (
            self.key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    @property
    def id(self):
        return f"{self.tenancy}/{self.user}/{self.fingerprint}"


def verify(request, key):
    """Raises the Refusal of a 401 NotAuthenticated unless `key` signed the request whole."""
    given = request.headers.get("authorization", "")
    fields = dict(re.findall(r'(\w+)="([^"]*)"', given))
    if not given.startswith("Signature ") or {"keyId", "headers", "signature", "algorithm"} - fields.keys():
        raise _refusal("The required information to complete authentication was not provided.")
    if fields["keyId"] != key.id or fields["algorithm"] != "rsa-sha256" or fields.get("version") != "1":
        raise _refusal(f"keyId, algorithm or version is wrong: {fields}")
    names = set(fields["headers"].split())
    needed = GENERIC | (BODY if request.method in ("POST", "PUT") else set())
    if missing := needed - names:
        raise _refusal(f"these headers must be signed: {sorted(missing)}")
    told = email.utils.parsedate_to_datetime(request.headers.get("date", ""))
    if abs(datetime.datetime.now(datetime.UTC) - told) > SKEW:
        raise _refusal(f"Date '{request.headers['date']}' is not within allowed clock skew.")
    if request.body and request.headers.get("x-content-sha256") != _digest(request.body):
        raise _refusal("x-content-sha256 is not the body's")
    try:
        verifier = HeaderVerifier(
            request.headers,
            key.public,
            required_headers=sorted(needed),
            method=request.method,
            path=request.target,
            host=request.headers["host"],
        )
        right = verifier.verify()
    except (HttpSigException, KeyError, ValueError) as error:
        raise _refusal(f"the signature can't be read: {error}") from error
    if not right:
        raise _refusal("Failed to verify the HTTP(S) Signature")


def _digest(body):
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _refusal(message):
    return Refusal(401, "auth", message)
