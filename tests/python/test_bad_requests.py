"""Requests that can't be meant: refused in the client's dialect and words, and nobody is asked."""

import json

import pytest

from clouds.anthropic import KEY, Anthropic
from clouds.openai import OpenAI
from forebay import Gateway
from raw_cloud import ONCE, upstream
from wires import AZURE, CHAT, CONVERSE, DOORS, GEMINI, INVOKE, MESSAGES, PREDICT, RESPONSES, WIRES, name

# The model is the upstream's name.
UPSTREAMS = ("at-openai", "at-anthropic", "at-anthropic-lossy")


@pytest.fixture(scope="module")
def clouds():
    with OpenAI() as openai, Anthropic() as anthropic:
        yield {"at-openai": openai, "at-anthropic": anthropic, "at-anthropic-lossy": anthropic}


@pytest.fixture(scope="module")
def gateway(clouds):
    config = ONCE
    for title, cloud in clouds.items():
        provider = "openai" if title == "at-openai" else "anthropic"
        losses = {"at-anthropic": ['losses = "strict"'], "at-anthropic-lossy": ['losses = "drop"']}.get(title, [])
        config += upstream(title, provider, cloud, cloud.models[0], *losses).replace("env:KEY", f"env:{provider}")
    with Gateway(config, env={"openai": OpenAI.key, "anthropic": KEY}) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def asked(clouds):
    """How many requests reached the clouds in a test."""
    before = {title: len(cloud.requests) for title, cloud in clouds.items()}
    return lambda: sum(len(clouds[title].requests) - before[title] for title in ("at-openai", "at-anthropic"))


# Field at the top of a body, and field within it, that come twice.
TWICE = {
    CHAT: ("messages", "role"),
    RESPONSES: ("input", "temperature"),
    MESSAGES: ("messages", "role"),
    GEMINI: ("contents", "text"),
    CONVERSE: ("messages", "text"),
    AZURE: ("messages", "role"),
    INVOKE: ("messages", "role"),
    PREDICT: ("messages", "role"),
}


@pytest.mark.parametrize("model", UPSTREAMS)
@pytest.mark.parametrize("place", [0, 1], ids=["above", "within"])
@pytest.mark.parametrize("wire", TWICE, ids=name)
def test_a_key_that_comes_twice_is_refused(gateway, asked, wire, place, model):
    field = TWICE[wire][place]
    text = json.dumps(wire.request(model, "Hello"))
    start = text.index(f'"{field}"')
    value, _ = json.JSONDecoder().raw_decode(text[start + len(field) + 4 :])
    first = f'{text[:start]}"{field}": {json.dumps(value)}, '
    assert json.loads(first + text[start:]) == json.loads(text)
    message = wire.refused(wire.send(gateway.url, model, first + text[start:]), 400)
    assert "occurs twice" in message
    assert f"line 1 column {len(first) + 1}" in message
    assert asked() == 0


def _image(text, image):
    """A conversation whose third message has the image as its second part."""
    return [("user", [text]), ("assistant", [text]), ("user", [text, image])]


def _said(parts, key="content", model="assistant"):
    return [{"role": model if role == "assistant" else role, key: each} for role, each in parts]


TEXT = {"type": "text", "text": "Hello"}
IMAGES = {
    CHAT: lambda data: {
        "messages": [{"role": "system", "content": "Be brief"}]
        + _said(_image(TEXT, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}))
    },
    RESPONSES: lambda data: {
        "instructions": "Be brief",
        "input": [
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Hello"},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Hello"},
                    {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{data}"},
                ],
            },
        ],
    },
    MESSAGES: lambda data: {
        "system": "Be brief",
        "messages": _said(
            _image(TEXT, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}})
        ),
    },
    GEMINI: lambda data: {
        "systemInstruction": {"parts": [{"text": "Be brief"}]},
        "contents": _said(
            _image({"text": "Hello"}, {"inlineData": {"mimeType": "image/png", "data": data}}), "parts", "model"
        ),
    },
    CONVERSE: lambda data: {
        "system": [{"text": "Be brief"}],
        "messages": _said(_image({"text": "Hello"}, {"image": {"format": "png", "source": {"bytes": data}}})),
    },
}
# Where the client put the image, in the names of its own format.
PLACE = {
    CHAT: "messages[3].content[1]",
    RESPONSES: "input[2].content[1]",
    MESSAGES: "messages[2].content[1]",
    GEMINI: "contents[2].parts[1]",
    CONVERSE: "messages[2].content[1]",
}
GOOD = "iVBORw0KGgoAAAA="
BAD = {"words": "not base64!", "alien": "aGVs*G8=", "padding": "=", "unpadded": "aGVsbG8"}
# Each goes where another format is spoken, so that the image has to be read.
FOREIGN = dict.fromkeys((MESSAGES, GEMINI, CONVERSE), "at-openai") | dict.fromkeys((CHAT, RESPONSES), "at-anthropic")


# Protobuf's JSON, which is Google's, takes base64 without padding.
@pytest.mark.parametrize(
    ("wire", "data"),
    [(wire, data) for wire in IMAGES for data in BAD if (wire, data) != (GEMINI, "unpadded")],
    ids=lambda value: getattr(value, "name", value),
)
def test_an_image_that_is_no_base64_is_refused_by_its_place(gateway, asked, wire, data):
    message = wire.refused(wire.post(gateway.url, FOREIGN[wire], **IMAGES[wire](BAD[data])), 400)
    assert PLACE[wire] in message
    assert "base64" in message
    assert asked() == 0


@pytest.mark.parametrize("wire", IMAGES, ids=name)
def test_an_image_that_is_base64_arrives(gateway, asked, wire):
    # Anthropic's model takes no temperature, which the strict upstream would refuse.
    target = {"at-anthropic": "at-anthropic-lossy"}.get(FOREIGN[wire], FOREIGN[wire])
    answer = wire.post(gateway.url, target, **IMAGES[wire](GOOD))
    assert answer.status_code == 200, answer.text
    assert "image/png of 11 bytes" in answer.text


def test_googles_clients_may_leave_padding_out(gateway):
    answer = GEMINI.post(gateway.url, FOREIGN[GEMINI], **IMAGES[GEMINI](BAD["unpadded"]))
    assert answer.status_code == 200, answer.text
    assert "image/png of 5 bytes" in answer.text


RESULTS = {
    CHAT: {"messages": [{"role": "user", "content": "Hi"}, {"role": "tool", "tool_call_id": "call_9", "content": "1"}]},
    RESPONSES: {"input": [{"type": "function_call_output", "call_id": "call_9", "output": "1"}]},
    MESSAGES: {
        "messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_9", "content": "1"}]}]
    },
    GEMINI: {
        "contents": [
            {"role": "user", "parts": [{"functionResponse": {"name": "call_9", "response": {"result": "1"}}}]},
        ]
    },
    CONVERSE: {
        "messages": [
            {"role": "user", "content": [{"toolResult": {"toolUseId": "call_9", "content": [{"text": "1"}]}}]}
        ]
    },
}


RESULT_AT = {
    CHAT: "messages[1]",
    RESPONSES: "input[0]",
    MESSAGES: "messages[0]",
    GEMINI: "contents[0].parts[0]",
    CONVERSE: "messages[0]",
}


@pytest.mark.parametrize("wire", RESULTS, ids=name)
def test_a_tools_result_without_its_call_is_refused(gateway, asked, wire):
    message = wire.refused(wire.post(gateway.url, FOREIGN[wire], **RESULTS[wire]), 400)
    assert "call_9" in message or RESULT_AT[wire] in message
    assert asked() == 0


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("wire", (*WIRES, *DOORS), ids=name)
def test_a_model_that_nobody_sells_is_not_found(gateway, asked, wire, streamed):
    message = wire.refused(wire.post(gateway.url, "no-such-model", streamed=streamed), 404)
    assert "no-such-model" in message
    assert asked() == 0


@pytest.mark.parametrize("wire", (*WIRES, *DOORS), ids=name)
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a": 1} {}', b"[" * 100_000], ids=len)
def test_a_body_that_is_no_object_is_refused(gateway, asked, wire, content):
    wire.refused(wire.send(gateway.url, "at-openai", content), 400)
    assert asked() == 0


SEEDS = {CHAT: {"seed": 7}, GEMINI: {"generationConfig": {"temperature": 0, "seed": 7}}}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("wire", SEEDS, ids=name)
class TestASeed:
    """Anthropic's format has no place for it."""

    def test_is_refused_by_name(self, gateway, asked, wire, streamed):
        message = wire.refused(wire.post(gateway.url, "at-anthropic", streamed=streamed, **SEEDS[wire]), 400)
        assert "seed" in message
        assert asked() == 0

    def test_is_left_out_where_that_is_allowed_and_said(self, gateway, clouds, wire, streamed):
        answer = wire.post(gateway.url, "at-anthropic-lossy", f"lossy {streamed}", streamed, **SEEDS[wire])
        assert answer.status_code == 200, answer.text
        assert "seed" in answer.headers["x-forebay-lost"]
        assert "seed" not in clouds["at-anthropic"].requests[-1].json()

    def test_passes_where_there_is_a_place_for_it(self, gateway, clouds, wire, streamed):
        answer = wire.post(gateway.url, "at-openai", f"placed {streamed}", streamed, **SEEDS[wire])
        assert answer.status_code == 200, answer.text
        assert "seed" not in answer.headers.get("x-forebay-lost", "")
        assert clouds["at-openai"].requests[-1].json()["seed"] == 7
