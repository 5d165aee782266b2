"""boto3 on Bedrock's Converse."""

import json

import boto3
import botocore.exceptions
from botocore.config import Config

from .common import CUT_OFF, Call, Results, Said, Speaker, Usage

END = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "calls"}


class BedrockSpeaker(Speaker):
    # Converse has no word for "none".
    lacks = frozenset({"choice none"})
    errors = {kind: botocore.exceptions.ClientError for kind in ("rate", "invalid", "auth", "missing", "server")} | {
        "broken": (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, *CUT_OFF)
    }

    @classmethod
    def at(cls, url, model, region="us-east-1", **options):
        config = Config(retries={"total_max_attempts": 1}, read_timeout=60)
        return cls(
            boto3.client("bedrock-runtime", endpoint_url=url, region_name=region, config=config, **options), model
        )

    def whole(self, turns, **options):
        answer = self.client.converse(**self._request(turns, **options))
        if "output" not in answer:
            # botocore takes a body that is no JSON, or half of one, for an answer without members.
            raise EOFError("the answer has no end")
        return _said(answer["output"]["message"], answer["stopReason"], answer["usage"])

    def streamed(self, turns, **options):
        events = list(self.client.converse_stream(**self._request(turns, **options))["stream"])
        blocks, reason, usage = {}, None, None
        for event in events:
            if start := event.get("contentBlockStart"):
                blocks[start["contentBlockIndex"]] = {"toolUse": {**start["start"]["toolUse"], "input": ""}}
            elif delta := event.get("contentBlockDelta"):
                _add(blocks.setdefault(delta["contentBlockIndex"], {}), delta["delta"])
            elif stop := event.get("messageStop"):
                reason = stop["stopReason"]
            elif metadata := event.get("metadata"):
                usage = metadata["usage"]
        if reason is None or usage is None:
            raise EOFError("the stream has no end")
        content = [blocks[index] for index in sorted(blocks)]
        for block in content:
            if "toolUse" in block:
                block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
        said = _said({"role": "assistant", "content": content}, reason, usage)
        said.pieces = sum("contentBlockDelta" in event for event in events)
        return said

    def _request(
        self, turns, system=None, tools=None, choice=None, schema=None, stop=None, max_tokens=None, reasoning=False
    ):
        request = {"modelId": self.model, "messages": [_spell(turn) for turn in turns]}
        if system:
            request["system"] = [{"text": system}]
        if tools:
            specs = [
                {"toolSpec": {"name": name, "description": name, "inputSchema": {"json": parameters}}}
                for name, parameters in tools.items()
            ]
            request["toolConfig"] = {"tools": specs}
        if choice:
            chosen = {"any": {}} if choice == "required" else {"tool": {"name": choice}}
            request["toolConfig"]["toolChoice"] = chosen
        if schema:
            structure = {"jsonSchema": {"name": "answer", "schema": json.dumps(schema)}}
            request["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": structure}}
        if reasoning:
            request["additionalModelRequestFields"] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
        inference = {"stopSequences": stop, "maxTokens": max_tokens}
        inference = {name: value for name, value in inference.items() if value is not None}
        return request | ({"inferenceConfig": inference} if inference else {})


def _add(block, delta):
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    elif "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    else:
        thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
        for name, value in delta["reasoningContent"].items():
            thought[name] = thought.get(name, "") + value


def _spell(turn):
    if isinstance(turn, Said):
        return turn.own or {"role": "assistant", "content": [{"text": turn.text}]}
    if isinstance(turn, Results):
        results = [{"toolUseId": call.id, "content": [{"text": text}]} for call, text in turn.pairs]
        return {"role": "user", "content": [{"toolResult": result} for result in results]}
    content = [{"text": turn.text}]
    if turn.image:
        format = turn.image.kind.removeprefix("image/")
        content.append({"image": {"format": format, "source": {"bytes": turn.image.data}}})
    return {"role": "user", "content": content}


def _said(message, reason, usage):
    content = message["content"]
    text = "".join(block["text"] for block in content if "text" in block)
    thought = "".join(
        block["reasoningContent"]["reasoningText"]["text"] for block in content if "reasoningContent" in block
    )
    uses = [block["toolUse"] for block in content if "toolUse" in block]
    calls = [Call(use["toolUseId"], use["name"], use["input"]) for use in uses]
    cached = usage.get("cacheReadInputTokens", 0)
    counted = Usage(usage["inputTokens"] + cached, cached, usage["outputTokens"])
    return Said(text, calls, END[reason], counted, thought, own=message)
