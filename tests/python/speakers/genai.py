"""The google-genai package on generateContent."""

from google import genai
from google.genai import errors, types

from .common import CUT_OFF, Call, Results, Said, Speaker, Usage


class GenaiSpeaker(Speaker):
    errors = {
        "rate": errors.ClientError,
        "invalid": errors.ClientError,
        "auth": errors.ClientError,
        "missing": errors.ClientError,
        "server": errors.ServerError,
        "broken": (errors.APIError, *CUT_OFF),
    }

    @classmethod
    def at(cls, url, model, key="unused", **options):
        # One attempt: the client would try again by itself.
        once = types.HttpRetryOptions(attempts=1)
        http = types.HttpOptions(base_url=url, timeout=60_000, retry_options=once)
        options = options or {"api_key": key}
        return cls(genai.Client(http_options=http, **options), model)

    def whole(self, turns, **options):
        return _said([self.client.models.generate_content(**self._request(turns, **options))])

    def streamed(self, turns, **options):
        chunks = list(self.client.models.generate_content_stream(**self._request(turns, **options)))
        said = _said(chunks)
        said.pieces = len(chunks)
        return said

    def _request(
        self, turns, system=None, tools=None, choice=None, schema=None, stop=None, max_tokens=None, reasoning=False
    ):
        config = {"system_instruction": system, "stop_sequences": stop, "max_output_tokens": max_tokens}
        config = {name: value for name, value in config.items() if value is not None}
        if tools:
            declared = [
                types.FunctionDeclaration(name=name, description=name, parameters_json_schema=parameters)
                for name, parameters in tools.items()
            ]
            config["tools"] = [types.Tool(function_declarations=declared)]
            config["automatic_function_calling"] = types.AutomaticFunctionCallingConfig(disable=True)
        if choice:
            plain = {"none": {"mode": "NONE"}, "required": {"mode": "ANY"}}
            calling = plain.get(choice, {"mode": "ANY", "allowed_function_names": [choice]})
            config["tool_config"] = types.ToolConfig(
                function_calling_config=types.FunctionCallingConfig.model_validate(calling)
            )
        if schema:
            config |= {"response_mime_type": "application/json", "response_json_schema": schema}
        if reasoning:
            config["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=2048)
        contents = [_spell(turn) for turn in turns]
        return {"model": self.model, "contents": contents, "config": types.GenerateContentConfig(**config)}


def _spell(turn):
    if isinstance(turn, Said):
        return turn.own or types.Content(role="model", parts=[types.Part(text=turn.text)])
    if isinstance(turn, Results):
        parts = [
            types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"result": text}))
            for call, text in turn.pairs
        ]
        return types.Content(role="user", parts=parts)
    parts = [types.Part(text=turn.text)]
    if turn.image:
        parts.append(types.Part.from_bytes(data=turn.image.data, mime_type=turn.image.kind))
    return types.Content(role="user", parts=parts)


def _said(answers):
    parts = [part for answer in answers for part in answer.candidates[0].content.parts or []]
    text = "".join(part.text for part in parts if part.text and not part.thought)
    thought = "".join(part.text for part in parts if part.text and part.thought)
    calls = [
        Call(part.function_call.id, part.function_call.name, part.function_call.args)
        for part in parts
        if part.function_call
    ]
    reason = answers[-1].candidates[0].finish_reason
    end = "length" if reason == types.FinishReason.MAX_TOKENS else "calls" if calls else "stop"
    used = answers[-1].usage_metadata
    completion = (used.candidates_token_count or 0) + (used.thoughts_token_count or 0)
    usage = Usage(used.prompt_token_count, used.cached_content_token_count or 0, completion)
    return Said(text, calls, end, usage, thought, own=types.Content(role="model", parts=parts))
