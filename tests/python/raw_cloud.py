"""A cloud that gives the very answers that a test wrote down, to whoever asks for whatever."""

from clouds.server import Cloud, Reply


class RawCloud(Cloud):
    """Answers each request with `answer`, which a test may set anew."""

    routes = (("POST", ".*", "said"),)

    def __init__(self, answer=None):
        super().__init__()
        self.said_next = answer or Reply.json({})

    def said(self, request):
        return self.said_next


def upstream(name, provider, cloud, model=None, *more, others=()):
    """One `[[upstreams]]` with the key KEY of the environment; it takes the models `others` too."""
    region = 'region = "us-east-1"' if provider == "bedrock" else ""
    models = [f'"{each}" = "{model or each}"' for each in (name, *others)]
    lines = [f'name = "{name}"', f'provider = "{provider}"', f'urls = ["{cloud.url}"]', 'health_path = ""']
    lines += ['key = "env:KEY"', f"models = {{ {', '.join(models)} }}", region, *more]
    return "[[upstreams]]\n" + "\n".join(lines) + "\n"


# One try each, and no ejection: failures are asked for.
ONCE = "[retries]\nattempts = 1\neject_after = 1000000\n"
ENV = {"KEY": "key-of-the-gateways-own"}
