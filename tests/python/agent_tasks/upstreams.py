"""The upstreams that agents are run before: fakes that hold each request against the vendor's own types."""

import json
from dataclasses import dataclass, field

from clouds import bedrock, gemini, openai, vllm


@dataclass
class Before:
    """An upstream, as forebay.toml says it."""

    cloud: type
    provider: str
    model: str
    auth: str
    env: dict = field(default_factory=dict)
    more: str = ""

    def toml(self, url, names):
        """The table of the upstream at `url` that answers for models of those names."""
        models = ", ".join(f"{json.dumps(name)} = {json.dumps(self.model)}" for name in names)
        return f"""
[[upstreams]]
name = "scripted"
provider = "{self.provider}"
urls = ["{url}"]
models = {{ {models} }}
auth = {{ {self.auth} }}
health_path = ""
{self.more}
"""


SIGNED = 'kind = "sigv4", source = { from = "keys", access_key_id = "env:ID", secret_access_key = "env:SECRET" }'
KEYS = bedrock.Keys()
UPSTREAMS = {
    "openai": Before(openai.OpenAI, "openai", openai.OpenAI.models[0], 'kind = "openai", key = "env:KEY"', {"KEY": openai.KEY}, 'speaks = ["chat"]'),
    "vllm": Before(vllm.Vllm, "vllm", vllm.MODEL, 'kind = "none"', more=f'speaks = ["chat"]\ncontext_tokens = {vllm.Vllm.context}'),
    "converse": Before(
        bedrock.Bedrock,
        "bedrock",
        bedrock.MODEL,
        SIGNED,
        {"ID": KEYS.access, "SECRET": KEYS.secret},
        f'region = "{bedrock.REGION}"\noptions = {{ api = "converse" }}',
    ),
    "gemini": Before(
        gemini.Gemini, "gemini", gemini.MODEL, 'kind = "header", name = "x-goog-api-key", key = "env:KEY"', {"KEY": gemini.KEY}
    ),
}
