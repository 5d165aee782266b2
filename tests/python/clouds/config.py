"""The gateway's configuration before the fake clouds: one upstream of each kind, each with a model of its own name.

The one place that knows how `forebay.toml` names providers, credentials and options.
"""

import json
from dataclasses import dataclass, field

from . import anthropic as anthropic_cloud
from . import azure, bedrock, cohere, gemini, mistral, oci, openai, sagemaker, vertex, vllm
from .credentials import entra, google
from .credentials.oracle import ApiKey
from .credentials.sigv4 import Keys

# Chat completions have no words for what a model thought.
NO_THOUGHT = frozenset({"thought"})
# Its model reasons, and such models of OpenAI's take no stop sequences.
OPENAI = NO_THOUGHT | {"stop"}
# Cohere's first format on Oracle takes no images, and of a tool's parameters only type and description.
OCI_COHERE = frozenset({"thought", "image", "tools", "schema"})
# Mistral tells usage in the last chunk, asked or not.
MISTRAL = NO_THOUGHT | {"silent usage"}
# Claude answers in the form of a schema, or in none.
CLAUDE = frozenset({"object"})
SESSION = Keys(access="AKIAFOREBAYTEST00002", token="session-token/of+temporary=keys")


@dataclass
class Upstream:
    """One `[[upstreams]]`. Clients ask for it by `name`, its cloud knows the model as `model`."""

    name: str
    provider: str
    cloud: object
    model: str
    auth: dict
    options: dict = field(default_factory=dict)
    region: str | None = None
    lacks: frozenset = frozenset()
    speaks: list = field(default_factory=list)

    def toml(self):
        lines = ["[[upstreams]]"]
        entries = {
            "name": self.name,
            "provider": self.provider,
            "urls": [self.cloud.url],
            "models": {self.name: self.model},
            "health_path": "",
            "region": self.region,
            "auth": self.auth,
            "options": self.options,
            "speaks": self.speaks,
        }
        lines += [f"{key} = {_value(value)}" for key, value in entries.items() if value not in (None, {}, [])]
        return "\n".join(lines) + "\n"


def _value(value):
    """A value as inline TOML, whose strings and arrays are those of JSON."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_value(each)}" for key, each in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


class Landscape:
    """All fake clouds and token endpoints at once, their credentials in `folder` and `env`."""

    def __init__(self, folder):
        self.folder, self.env = folder, {}
        self.google, self.entra = google.GoogleTokens(), entra.Entra()
        # What the machine itself is given: other tokens, which end at other times.
        self.metadata, self.imds = google.GoogleTokens(), entra.Entra()
        self.oracle = ApiKey()
        self.upstreams = {upstream.name: upstream for upstream in self._upstreams()}

    def toml(self, head=""):
        """The whole file. One try each, and no ejection: failures here are asked for."""
        retries = "[retries]\nattempts = 1\neject_after = 1000000\n"
        return "\n".join([head, retries, *(upstream.toml() for upstream in self.upstreams.values())])

    def secret(self, name, value):
        """A reference to `value`, which goes into the gateway's environment."""
        self.env[name] = value
        return f"env:{name}"

    @property
    def clouds(self):
        return [self.google, self.entra, self.metadata, self.imds, *(upstream.cloud for upstream in self.upstreams.values())]

    def check(self):
        for cloud in self.clouds:
            cloud.check()

    def close(self):
        for cloud in self.clouds:
            cloud.close()

    def _upstreams(self):
        yield from self._openai_like()
        yield from self._azure()
        yield from self._amazon()
        yield from self._google()
        yield from self._oracle()
        key = self.secret("ANTHROPIC_KEY", anthropic_cloud.KEY)
        cloud = anthropic_cloud.Anthropic()
        yield Upstream("at-anthropic", "anthropic", cloud, cloud.models[0], _header("x-api-key", key), lacks=CLAUDE)
        bearer = {"kind": "bearer", "key": self.secret("COHERE_KEY", cohere.KEY)}
        lacks = frozenset({"image", "choice named"})
        yield Upstream("at-cohere", "cohere", cohere.Cohere(), cohere.MODEL, bearer, lacks=lacks)
        bearer = {"kind": "bearer", "key": self.secret("MISTRAL_KEY", mistral.KEY)}
        cloud = mistral.Mistral()
        yield Upstream("at-mistral", "mistral", cloud, cloud.models[0], bearer, lacks=MISTRAL)

    def _openai_like(self):
        auth = {"kind": "openai", "key": self.secret("OPENAI_KEY", openai.KEY)}
        auth |= {"organization": openai.ORGANIZATION, "project": openai.PROJECT}
        cloud = openai.OpenAI()
        yield Upstream("at-openai", "openai", cloud, cloud.models[0], auth, lacks=OPENAI)
        # The fake is of chat alone.
        speaks = ["chat", "completions", "embeddings"]
        engine = vllm.Vllm()
        yield Upstream("at-vllm", "vllm", engine, vllm.MODEL, {"kind": "none"}, lacks=NO_THOUGHT, speaks=speaks)

    def _azure(self):
        model = azure.Azure.models[0]
        deployments = {"api": "deployments", "api_version": azure.API_VERSION}
        key = _header("api-key", self.secret("AZURE_KEY", azure.KEY))
        yield Upstream("at-azure", "azure", azure.Azure(), model, key, deployments, lacks=NO_THOUGHT)
        secret = {
            "kind": "entra",
            "tenant": entra.TENANT,
            "client_id": entra.CLIENT,
            "client_secret": self.secret("ENTRA_SECRET", entra.SECRET),
            "authority": self.entra.url,
            "scope": entra.SCOPE,
        }
        v1 = {"api": "v1"}
        yield Upstream("at-azure-entra", "azure", azure.Azure(self.entra), model, secret, v1, lacks=NO_THOUGHT)
        machine = {"kind": "managed-identity", "client_id": entra.CLIENT, "endpoint": self.imds.url}
        yield Upstream("at-azure-machine", "azure", azure.Azure(self.imds), model, machine, v1, lacks=NO_THOUGHT)

    def _amazon(self):
        keys, session = self._sigv4(Keys(), "AWS"), self._sigv4(SESSION, "AWS_SESSION")
        region = bedrock.REGION
        converse, invoke, chat = {"api": "converse"}, {"api": "invoke"}, {"api": "openai"}
        yield Upstream("at-bedrock", "bedrock", bedrock.Bedrock(), bedrock.MODEL, keys, converse, region, CLAUDE)
        cloud = bedrock.Bedrock(SESSION)
        yield Upstream("at-bedrock-invoke", "bedrock", cloud, bedrock.MODEL, session, invoke, region, CLAUDE)
        bearer = {"kind": "bearer", "key": self.secret("BEDROCK_KEY", bedrock.KEY)}
        cloud = bedrock.Bedrock()
        yield Upstream("at-bedrock-chat", "bedrock", cloud, bedrock.OPENAI_MODEL, bearer, chat, region, NO_THOUGHT | {"image"})
        signed = {**session, "service": "sagemaker"}
        cloud = sagemaker.SageMaker(SESSION)
        yield Upstream("at-sagemaker", "sagemaker", cloud, sagemaker.ENDPOINT, signed, {}, region, NO_THOUGHT)

    def _sigv4(self, keys, prefix):
        source = {
            "from": "keys",
            "access_key_id": self.secret(f"{prefix}_ID", keys.access),
            "secret_access_key": self.secret(f"{prefix}_SECRET", keys.secret),
        }
        if keys.token:
            source["session_token"] = self.secret(f"{prefix}_TOKEN", keys.token)
        return {"kind": "sigv4", "source": source}

    def _google(self):
        place = {"project": vertex.PROJECT, "location": vertex.LOCATION}
        file = str(google.write_service_account(self.google, self.folder))
        account = {"kind": "google-service-account", "file": file, "token_url": f"{self.google.url}/token"}
        options = {**place, "publisher": "google"}
        yield Upstream("at-vertex", "vertex", vertex.Vertex(self.google), vertex.MODEL, account, options)
        machine = {"kind": "google-metadata", "endpoint": self.metadata.url}
        options = {**place, "publisher": "anthropic"}
        yield Upstream("at-vertex-claude", "vertex", vertex.Vertex(self.metadata), vertex.CLAUDE, machine, options, lacks=CLAUDE)
        file = str(google.write_workload(self.google, self.folder, impersonated=True))
        workload = {"kind": "google-workload-identity", "file": file}
        options = {**place, "publisher": "mistralai"}
        cloud = vertex.Vertex(self.google)
        yield Upstream("at-vertex-mistral", "vertex", cloud, vertex.MISTRAL, workload, options, lacks=MISTRAL)
        key = _header("x-goog-api-key", self.secret("GEMINI_KEY", gemini.KEY))
        yield Upstream("at-gemini", "gemini", gemini.Gemini(), gemini.MODEL, key)

    def _oracle(self):
        file = self.folder / "oracle.pem"
        file.write_text(self.oracle.private)
        file.chmod(0o600)
        names = {"tenancy": self.oracle.tenancy, "user": self.oracle.user, "fingerprint": self.oracle.fingerprint}
        auth = {"kind": "oci", **names, "key_file": str(file)}
        options = {"compartment": oci.COMPARTMENT, "format": "generic"}
        yield Upstream("at-oci", "oci", oci.Oci(self.oracle), oci.GENERIC_MODEL, auth, options)
        options = {"compartment": oci.COMPARTMENT, "format": "cohere"}
        cloud = oci.Oci(self.oracle)
        yield Upstream("at-oci-cohere", "oci", cloud, oci.COHERE_MODEL, auth, options, lacks=OCI_COHERE)


def _header(name, key):
    return {"kind": "header", "name": name, "key": key}
