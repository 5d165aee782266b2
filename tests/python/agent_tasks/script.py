"""A model that follows a script: it calls tools step by step, and goes on only if what came before arrived."""

import json
import re
import threading
from dataclasses import dataclass, field

import jsonschema

from clouds.brain import Answer, Call
from clouds.server import Refusal


@dataclass
class Use:
    """One call of a tool."""

    # The tool's name, or what it ends with: namespaces stand before it.
    tool: str
    # An object for functions, a text for tools whose input is free.
    input: object
    # What the result has to say, as patterns.
    says: tuple = ()
    # The image that has to come with the result.
    shows: bytes | None = None


@dataclass
class Script:
    """The steps of a task; each is a list of calls that are made at once."""

    task: str
    steps: list
    end: str
    # An image that comes with the task itself.
    shows: bytes | None = None
    finished: bool = False
    # Requests that are not of the task: titles, summaries.
    asides: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, ask):
        """The next answer to a conversation; refuses one in which something of the past is missing."""
        with self._lock:
            if not any(self.task in seen.text for seen in ask.seen) or not ask.tools:
                self.asides += 1
                return Answer(text="A task")
            return self._next(ask)

    def _next(self, ask):
        first = next(at for at, seen in enumerate(ask.seen) if seen.role == "user" and self.task in seen.text)
        before = ask.seen[: first + 1] if self.shows is None else ask.seen[: self._first_call(ask)]
        need(any(seen.role in ("system", "developer") for seen in ask.seen), "no system message arrived")
        need(self.shows is None or self._shown(before, self.shows), "the task's image did not arrive")
        done = self._done(ask)
        if done < len(self.steps):
            return Answer(calls=[self._call(ask, done, at, use) for at, use in enumerate(self.steps[done])], end="calls")
        self.finished = True
        return Answer(text=self.end)

    def _first_call(self, ask):
        return next((at for at, seen in enumerate(ask.seen) if seen.kind == "call"), len(ask.seen))

    def _done(self, ask):
        """How many steps are done; each must have its calls, their results and their images."""
        seen = ask.seen[self._first_call(ask) :]
        done = 0
        while any(each.kind == "call" for each in seen):
            need(done < len(self.steps), "more calls arrived than were made")
            uses, done = self.steps[done], done + 1
            calls = [each for each in seen if each.kind == "call"][: len(uses)]
            need(len(calls) == len(uses), f"{len(calls)} of {len(uses)} calls arrived")
            begin = seen.index(calls[-1]) + 1
            end = next((at for at, each in enumerate(seen) if each.kind == "call" and at >= begin), len(seen))
            for at, (use, call) in enumerate(zip(uses, calls, strict=True)):
                self._check(ask, use, call, at, [each for each in seen[begin:end]])
            seen = seen[end:]
        return done

    def _check(self, ask, use, call, at, after):
        tool = self._tool(ask, use)
        need(call.name == tool.name, f"the call of {tool.name} came back as one of {call.name}")
        given = call.text if tool.custom else json.loads(call.text)
        need(given == self._input(tool, use), f"the input of {use.tool} came back as {call.text!r:.200}")
        results = [each for each in after if each.kind == "result"]
        paired = [each for each in results if each.id == call.id] if call.id else results[at : at + 1]
        need(len(paired) == 1, f"{len(paired)} results of the call {call.id} of {use.tool}")
        for pattern in use.says:
            need(re.search(pattern, paired[0].text), f"the result of {use.tool} lacks {pattern!r}: {paired[0].text!r:.800}")
        need(use.shows is None or self._shown(after, use.shows), f"the image of {use.tool} did not arrive")

    def _shown(self, seen, image):
        return any(each.kind == "image" and each.data == image for each in seen)

    def _tool(self, ask, use):
        names = [tool.name for tool in ask.tools]
        found = [tool for tool in ask.tools if re.fullmatch(rf"(?:\w+__)?{use.tool}", tool.name)]
        need(len(found) == 1, f"{len(found)} tools are called {use.tool}: {names}")
        return found[0]

    def _input(self, tool, use):
        """A tool with free input is bridged by a function with one text."""
        return {"input": use.input} if isinstance(use.input, str) and not tool.custom else use.input

    def _call(self, ask, step, at, use):
        tool, id = self._tool(ask, use), f"call_{step}{at:08}"
        given = self._input(tool, use)
        need(len(tool.description) > 20, f"{tool.name} has lost its description")
        try:
            jsonschema.validate(given, tool.schema)
        except jsonschema.ValidationError as error:
            raise Refusal(400, "invalid", f"the schema of {tool.name} does not take its input: {error.message}") from error
        return Call(id, tool.name, {}, text=given) if tool.custom else Call(id, tool.name, given)


def need(condition, said):
    if not condition:
        raise Refusal(400, "invalid", f"script: {said}")
