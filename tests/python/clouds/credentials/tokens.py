"""Access tokens that the fakes give out: each knows what it is for and until when."""

import itertools
import threading
import time

from ..server import Refusal

LIFETIME = 3600


class Tokens:
    """Tokens given out by one authority. `lifetime` in seconds may be set before they are asked for."""

    def __init__(self, prefix, lifetime=LIFETIME):
        self.prefix, self.lifetime = prefix, lifetime
        self._given, self._lock, self._numbers = {}, threading.Lock(), itertools.count(1)

    @property
    def count(self):
        """How many were given out, for tests that watch refreshes."""
        return len(self._given)

    def give(self, audience):
        with self._lock:
            token = f"{self.prefix}{next(self._numbers):04}"
            self._given[token] = (audience, time.time() + self.lifetime)
            return token

    def revoke(self):
        """Forgets all: whoever comes with an old one gets 401."""
        with self._lock:
            self._given = {token: (audience, 0) for token, (audience, _) in self._given.items()}

    def verify(self, request, audience):
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer":
            raise Refusal(401, "auth", "a bearer token is missing")
        given_for, until = self._given.get(token, (None, 0))
        if given_for is None:
            raise Refusal(401, "auth", "the bearer token was not given out here")
        if until <= time.time():
            # Expected of long runs and of revoked tokens; a client refreshes and asks again.
            raise Refusal(401, "auth", "the access token expired", asked_for=True)
        if given_for != audience:
            raise Refusal(401, "auth", f"the token is for {given_for!r}, not {audience!r}")
