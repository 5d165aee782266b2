"""Checks AWS Signature V4 by signing what was received once more with botocore."""

import datetime
import hashlib
import hmac
import re
from dataclasses import dataclass

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from ..server import Refusal

CREDENTIAL = r"AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html: five minutes either way.
SKEW = datetime.timedelta(minutes=5)


@dataclass(frozen=True)
class Keys:
    """An AWS identity; `token` is there for temporary ones."""

    access: str = "AKIAFOREBAYTEST00001"
    secret: str = "wJalrXUtnFEMI/K7MDENG+forebayTESTKEY0001"
    token: str | None = None


class _Again(SigV4Auth):
    """Signs exactly the headers that the caller says it signed."""

    def __init__(self, *arguments, signed):
        super().__init__(*arguments)
        self._signed = signed

    def headers_to_sign(self, request):
        chosen = HTTPHeaders()
        for name in self._signed:
            chosen[name] = request.headers[name]
        return chosen


def verify(request, keys, region, service):
    """Raises the Refusal that AWS would answer with unless the request is signed by `keys`."""
    given = request.headers.get("authorization", "")
    found = re.fullmatch(CREDENTIAL, given)
    if not found:
        raise _refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
    scope, signed, signature = found.groups()
    access, day, *rest = scope.split("/")
    if access != keys.access or request.headers.get("x-amz-security-token") != keys.token:
        raise _refusal("UnrecognizedClientException", "The security token included in the request is invalid.")
    if rest != [region, service, "aws4_request"]:
        raise _refusal("InvalidSignatureException", f"Credential should be scoped to {region}/{service}, not {rest}.")
    stamp = request.headers.get("x-amz-date", "")
    _check_clock(stamp, day)
    names = signed.split(";")
    needed = {"host", "x-amz-date"} | ({"x-amz-security-token"} if keys.token else set())
    if missing := needed - set(names):
        raise _refusal("InvalidSignatureException", f"these headers must be signed: {sorted(missing)}")
    if absent := [name for name in names if name not in request.headers]:
        raise _refusal("InvalidSignatureException", f"signed headers that did not come: {absent}")
    told = request.headers.get("x-amz-content-sha256")
    if told and told != hashlib.sha256(request.body).hexdigest():
        raise _refusal("InvalidSignatureException", "x-amz-content-sha256 is not the body's")
    url = f"http://{request.headers['host']}{request.target}"
    again = AWSRequest(request.method, url, headers=request.headers, data=request.body)
    again.context["timestamp"] = stamp
    signer = _Again(Credentials(keys.access, keys.secret, keys.token), service, region, signed=names)
    expected = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    if not hmac.compare_digest(expected, signature):
        message = "The request signature we calculated does not match the signature you provided."
        raise _refusal("InvalidSignatureException", message)


def _check_clock(stamp, day):
    try:
        told = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    except ValueError:
        raise _refusal(
            "IncompleteSignatureException", f"Date must be in ISO-8601 'basic format', got {stamp!r}"
        ) from None
    if not stamp.startswith(day):
        raise _refusal("InvalidSignatureException", f"the scope's day {day} is not that of {stamp}")
    now = datetime.datetime.now(datetime.UTC)
    if abs(now - told) > SKEW:
        raise _refusal(
            "InvalidSignatureException", f"Signature expired: {stamp} is not within 5 min. of {now:%Y%m%dT%H%M%SZ}"
        )


def _refusal(code, message):
    refusal = Refusal(403, "auth", message)
    refusal.code = code
    return refusal
