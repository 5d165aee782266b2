"""What every fake model thinks: a deterministic answer made from the request alone, and failures on demand.

The text of an answer tells what reached the model ("system: …", "images: …", "turns: …"), so that a test sees what a
translation lost. Words in the last user's text ask for more: "call" (a tool), "call all" (every tool),
"cached" (a prompt read from the cache), "fail:KIND" (a failure, see `FAILURES`).
"""

import json
import re
from dataclasses import dataclass, field

from .sample import valid
from .server import MIND, Refusal

CACHED = 4
THOUGHT = "Let me think: it is asked for."
# fail:KIND → status and neutral kind. Besides them: 500html, truncate, midstream.
FAILURES = {
    "400": (400, "invalid"),
    "401": (401, "auth"),
    "403": (403, "denied"),
    "404": (404, "missing"),
    "429": (429, "rate"),
    "500": (500, "server"),
    "503": (503, "overloaded"),
    "contextlength": (400, "context"),
}
CONTEXT = "prompt is too long: 200001 tokens > 200000 maximum"


@dataclass
class Tool:
    name: str
    schema: dict
    description: str = ""
    # OpenAI's custom tool, whose input is free text.
    custom: bool = False


@dataclass
class Seen:
    """One thing that the model sees: a text, an image, a call or a tool's result."""

    kind: str  # text, image, call, result
    role: str = ""
    id: str | None = None
    name: str = ""
    text: str = ""
    data: bytes = b""


@dataclass
class Ask:
    """A request as a model sees it, whatever wire it came by."""

    model: str
    user: str = ""
    system: str = ""
    turns: int = 1
    images: list = field(default_factory=list)  # (media type, size in bytes)
    tools: list = field(default_factory=list)
    choice: str = "auto"  # auto, none, required, or a tool's name
    parallel: bool = True
    results: list = field(default_factory=list)  # (call id, text) since the last user's turn
    schema: dict | None = None
    json: bool = False
    reasoning: bool = False
    stop: list = field(default_factory=list)
    max_tokens: int | None = None
    # The whole conversation in its order, where the dialect's reader keeps it: chat, Converse and Gemini.
    seen: list = field(default_factory=list)

    @property
    def failure(self):
        found = re.search(r"fail:(\w+)", self.user)
        return found.group(1) if found else None


@dataclass
class Call:
    id: str
    name: str
    arguments: dict
    # The free text of a custom tool's call.
    text: str | None = None

    @property
    def json(self):
        return json.dumps(self.arguments, ensure_ascii=False) if self.text is None else self.text


@dataclass
class Usage:
    """Tokens: `prompt` holds `cached`, and `completion` holds `reasoning`."""

    prompt: int
    cached: int
    completion: int
    reasoning: int


@dataclass
class Answer:
    text: str = ""
    thought: str = ""
    calls: list = field(default_factory=list)
    end: str = "stop"  # stop, sequence, length, calls
    sequence: str | None = None
    usage: Usage | None = None


def think(ask):
    """The answer to `ask`; a failure that comes before an answer is raised as the Refusal it asked for."""
    if mind := MIND.get():
        answer = mind(ask)
        answer.usage = Usage(prompt=CACHED + len(ask.seen), cached=0, completion=1 + tokens(answer.text), reasoning=0)
        return answer
    if ask.failure in FAILURES:
        status, kind = FAILURES[ask.failure]
        raise Refusal(status, kind, CONTEXT if kind == "context" else f"asked to fail with {status}", asked_for=True)
    if ask.failure == "500html":
        raise Refusal(500, "html", "<html><body><h1>500 Internal Server Error</h1></body></html>", asked_for=True)
    answer = Answer(thought=THOUGHT if ask.reasoning else "")
    answer.calls = list(_calls(ask))
    if answer.calls:
        answer.end = "calls"
    else:
        _say(ask, answer)
    words = f"{ask.system} {ask.user} " + " ".join(text for _, text in ask.results)
    reasoning = tokens(answer.thought)
    spoken = tokens(answer.text) + sum(tokens(call.json) + 1 for call in answer.calls)
    # Every prompt has as many tokens as it could have read from the cache, and some of its own.
    answer.usage = Usage(
        prompt=CACHED + tokens(words),
        cached=CACHED if "cached" in ask.user else 0,
        completion=reasoning + spoken,
        reasoning=reasoning,
    )
    return answer


def tokens(text):
    """How many tokens a text counts: its words."""
    return len(text.split())


def pieces(text, size=5):
    """The fragments a stream sends a text in."""
    return [text[start : start + size] for start in range(0, len(text), size)] or [""]


def _calls(ask):
    if not ask.tools or ask.choice == "none" or ask.results:
        return
    names = [tool.name for tool in ask.tools]
    if ask.choice not in ("auto", "required"):
        if ask.choice not in names:
            raise Refusal(400, "invalid", f"the tool choice names {ask.choice!r}, but the tools are {names}")
        wanted = [tool for tool in ask.tools if tool.name == ask.choice]
    elif "call all" in ask.user and ask.parallel:
        wanted = ask.tools
    elif "call" in ask.user or ask.choice == "required":
        wanted = [tool for tool in ask.tools if tool.name in ask.user][:1] or ask.tools[:1]
    else:
        return
    for number, tool in enumerate(wanted, start=1):
        try:
            yield Call(f"call_{number:09}", tool.name, valid(tool.schema))
        except ValueError as error:
            raise Refusal(400, "invalid", f"tool {tool.name}: {error}") from error


def _say(ask, answer):
    if ask.schema is not None or ask.json:
        try:
            answer.text = json.dumps(valid(ask.schema or {"type": "object"}), ensure_ascii=False)
        except ValueError as error:
            raise Refusal(400, "invalid", str(error)) from error
        return
    said = []
    if ask.system:
        said.append(f"system: {ask.system}.")
    if ask.images:
        said.append("images: " + ", ".join(f"{kind} of {size} bytes" for kind, size in ask.images) + ".")
    if ask.turns > 1:
        said.append(f"turns: {ask.turns}.")
    if ask.results:
        said.append("results: " + ", ".join(f"{id}={text}" for id, text in ask.results) + ".")
    said.append(f"You said: {ask.user}")
    text = " ".join(said)
    for sequence in ask.stop:
        before, found, _ = text.partition(sequence)
        if found:
            text, answer.end, answer.sequence = before, "sequence", sequence
    if ask.max_tokens is not None and tokens(text) > ask.max_tokens:
        text, answer.end, answer.sequence = " ".join(text.split()[: ask.max_tokens]), "length", None
    answer.text = text
