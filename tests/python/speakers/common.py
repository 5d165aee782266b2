"""A conversation in nobody's words: what the claims say and what the speakers spell."""

import base64
import collections
from dataclasses import dataclass, field

import httpx
import httpx2
import urllib3

# One transparent pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

# How the vendors' transports say that a body ended before its end; EOFError is a speaker's own word for a stream that
# ended without the vendor's last event.
CUT_OFF = (EOFError, httpx.RemoteProtocolError, httpx2.RemoteProtocolError, urllib3.exceptions.HTTPError)

Call = collections.namedtuple("Call", "id name arguments")
Usage = collections.namedtuple("Usage", "prompt cached completion")


@dataclass
class Image:
    data: bytes = PNG
    kind: str = "image/png"

    @property
    def base64(self):
        return base64.b64encode(self.data).decode()

    @property
    def url(self):
        return f"data:{self.kind};base64,{self.base64}"


@dataclass
class User:
    text: str
    image: Image | None = None


@dataclass
class Results:
    """What tools answered: pairs of a Call and a text."""

    pairs: list


@dataclass
class Said:
    """An answer. `end` is stop, length or calls; `usage.prompt` holds the cached tokens; `own` is the vendor's message,
    which goes back into the conversation as it came."""

    text: str
    calls: list = field(default_factory=list)
    end: str = "stop"
    usage: Usage | None = None
    thought: str = ""
    pieces: int = 1
    own: object = None


class Speaker:
    """Subclasses set `errors` (kind → exception class), and what the client or its wire has no words for in `lacks`."""

    lacks = frozenset()
    errors = {}

    def __init__(self, client, model):
        self.client, self.model = client, model
        # What stands behind, whose refusals are no test's wish.
        self.clouds = []

    def say(self, *conversation, stream=False, **options):
        """One answer to the conversation, whose items are User, Said and Results; a bare string is a User.

        Options: system, tools (name → JSON schema), choice (none, required or a tool's name), schema, stop,
        max_tokens, reasoning."""
        turns = [User(item) if isinstance(item, str) else item for item in conversation]
        return (self.streamed if stream else self.whole)(turns, **options)

    def close(self):
        if hasattr(self.client, "close"):
            self.client.close()
