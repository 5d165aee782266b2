"""OpenAI's Realtime API over a WebSocket: the vendors' clients, and clients that misbehave."""

import asyncio
import base64
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import time
from contextlib import contextmanager

import httpx
import openai
import pytest
from cryptography import x509
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import nodeclients
from forebay import BINARY, Gateway
from realtime_upstream import KEY, MODEL, RealtimeUpstream
from test_mtls import Authority

ASK = {"type": "response.create", "response": {"output_modalities": ["text"]}}
RULE = """
[[policies.guardrails.config.rules]]
name = "{name}"
kind = "{kind}"
action = "{action}"
apply = ["{side}"]
{more}
"""
NO_TIGERS = 'terms = ["tiger"]'


def item(text):
    content = [{"type": "input_text", "text": text}]
    return {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}


@pytest.fixture(scope="module")
def upstream():
    with RealtimeUpstream() as upstream:
        yield upstream
        assert upstream.refused == []


def behind(upstream, more="", keys=None):
    return Gateway(
        f"""
{f'[keys]{chr(10)}file = "{keys}"' if keys else ""}

[[upstreams]]
name = "gone"
urls = ["http://127.0.0.1:9"]
key = "env:UP_KEY"
health_path = ""
models = {{ gpt-realtime = "{MODEL}" }}

[[upstreams]]
name = "kept"
urls = ["{upstream.url}"]
key = "env:UP_KEY"
health_path = ""
models = {{ gpt-realtime = "{MODEL}" }}
{more}
""",
        env={"UP_KEY": KEY},
    )


def create(file, *arguments):
    command = [BINARY, "keys", "--file", file, "create", "--tenant", "acme", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    file = tmp_path_factory.mktemp("keys") / "keys.toml"
    return file, create(file), create(file, "--model", "gpt-4o")


@pytest.fixture(scope="module")
def gateway(upstream, keys):
    with behind(upstream, keys=keys[0]) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def open_gateway(upstream):
    bounds = '[realtime]\nidle = "2s"\nmax_message = 65536\n[streams]\nkeep_alive = "200ms"\n'
    with behind(upstream, bounds) as gateway:
        yield gateway


def dial(gateway, key=None, query="model=gpt-realtime", path="/v1/realtime", **more):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"{gateway.url.replace('http', 'ws', 1)}{path}?{query}"
    return connect(url, additional_headers=headers, close_timeout=1, **more)


def heard(connection, until="response.done"):
    """Events up to one of this type, and the text of their deltas."""
    events, text = [], ""
    while True:
        event = json.loads(connection.recv(timeout=10))
        events.append(event)
        if event["type"] in ("response.output_text.delta", "response.output_audio_transcript.delta"):
            text += event["delta"]
        if event["type"] == until:
            return events, text


def say(connection, *events):
    for event in events:
        connection.send(json.dumps(event))


def closing(connection):
    """The code and the reason with which a connection ends, and the last event before."""
    last = None
    try:
        while True:
            last = json.loads(connection.recv(timeout=10))
    except ConnectionClosed as closed:
        return closed.rcvd and closed.rcvd.code, closed.rcvd and closed.rcvd.reason, last


def refusal(gateway, *arguments, **more):
    with pytest.raises(InvalidStatus) as refused:
        dial(gateway, *arguments, **more)
    response = refused.value.response
    return response.status_code, json.loads(response.body)["error"]["code"]


def counted(gateway, kind):
    """The tokens of this kind that all keys were counted."""
    lines = httpx.get(f"{gateway.admin}/metrics").text.splitlines()
    lines = [line for line in lines if line.startswith("forebay_key_tokens_total{") and f'kind="{kind}"' in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_the_vendors_client_talks_to_the_first_upstream_that_opens(gateway, keys, upstream):
    client = openai.OpenAI(base_url=gateway.api, api_key=keys[1])
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.session.update(session={"type": "realtime", "model": "gpt-realtime", "output_modalities": ["text"]})
        connection.conversation.item.create(item=item("good morning")["item"])
        connection.response.create(response={"output_modalities": ["text"]})
        said = ""
        for event in connection:
            if event.type == "response.output_text.delta":
                said += event.delta
            if event.type == "response.done":
                assert event.response.usage.total_tokens == 12
                break
    assert said == "good morning"
    assert upstream.events[-3]["session"]["model"] == MODEL


def test_sound_passes_where_no_rule_applies(gateway, keys, upstream):
    sound = base64.b64encode(os.urandom(300_000)).decode()

    async def talk():
        client = openai.AsyncOpenAI(base_url=gateway.api, api_key=keys[1])
        async with client.realtime.connect(model="gpt-realtime", extra_headers={"OpenAI-Beta": "realtime=v1"}) as connection:
            await connection.input_audio_buffer.append(audio=sound)
            await connection.input_audio_buffer.commit()
            kinds = []
            async for event in connection:
                kinds.append(event.type)
                if event.type == "response.done":
                    return kinds

    assert "response.output_audio.delta" in asyncio.run(talk())
    assert upstream.events[-2]["audio"] == sound
    assert {name.lower(): value for name, value in upstream.heads[-1][2].items()}["openai-beta"] == "realtime=v1"


def test_azures_client_names_a_deployment(gateway, keys):
    # By itself the client only speaks TLS.
    base = f"{gateway.url.replace('http', 'ws', 1)}/openai"
    client = openai.AzureOpenAI(
        azure_endpoint=gateway.url, websocket_base_url=base, api_key=keys[1], api_version="2025-04-01-preview"
    )
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.conversation.item.create(item=item("azure")["item"])
        connection.response.create(response={"output_modalities": ["text"]})
        assert next(event for event in connection if event.type == "response.output_text.done").text == "azure"


def test_clients_in_pages_send_their_key_as_a_subprotocol(gateway, keys, monkeypatch):
    monkeypatch.setenv("NODE_OPTIONS", "--experimental-websocket")
    nodeclients.run("realtime", gateway.url, keys[1], ["gpt-realtime"])


def test_the_tokens_of_all_responses_are_counted(gateway, keys):
    before = {kind: counted(gateway, kind) for kind in ("input", "output", "cached_input")}
    with dial(gateway, keys[1]) as connection:
        for _ in range(2):
            say(connection, item("once"), ASK)
            heard(connection)
    end = time.monotonic() + 10
    while counted(gateway, "output") != before["output"] + 10:
        assert time.monotonic() < end, (before, counted(gateway, "output"))
    assert counted(gateway, "input") == before["input"] + 14
    assert counted(gateway, "cached_input") == before["cached_input"] + 6


def test_who_may_not_come_in_is_told_before_the_connection_opens(gateway, keys):
    assert refusal(gateway, "fb-no-such") == (401, "invalid_api_key")
    assert refusal(gateway) == (401, "missing_api_key")
    assert refusal(gateway, keys[2]) == (403, "model_not_allowed")
    assert refusal(gateway, keys[2], query="") == (403, "model_not_allowed")
    assert refusal(gateway, keys[1], query="model=unknown") == (404, "model_not_found")
    assert refusal(gateway, keys[1], query="model=a&model=b") == (400, "invalid_value")
    assert refusal(gateway, keys[1], query="call_id=rtc_1") == (400, "invalid_value")
    plain = httpx.get(f"{gateway.api}/realtime?model=gpt-realtime", headers={"authorization": f"Bearer {keys[1]}"})
    assert (plain.status_code, plain.json()["error"]["code"]) == (426, "upgrade_required")


def test_an_event_cannot_name_a_model_that_the_key_may_not_use(upstream, keys, tmp_path):
    bound = create(keys[0], "--model", "gpt-realtime")
    with behind(upstream, keys=keys[0]) as gateway, dial(gateway, bound) as connection:
        for session in ({"model": "other"}, {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}):
            say(connection, {"type": "session.update", "event_id": "mine", "session": session})
            events, _ = heard(connection, "error")
            assert events[-1]["error"]["code"] == "model_not_allowed"
            assert events[-1]["error"]["event_id"] == "mine"


def test_an_event_cannot_name_a_file_that_its_tenant_was_not_given(upstream, keys):
    with behind(upstream, keys=keys[0]) as gateway, dial(gateway, keys[1]) as connection:
        content = [{"type": "input_image", "file_id": "file-of-another"}]
        event = {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": content}}
        say(connection, event)
        events, _ = heard(connection, "error")
        assert events[-1]["error"]["code"] == "file_not_found"


def test_a_word_cut_over_pieces_and_items_is_that_word(upstream):
    rule = RULE.format(name="no", kind="dictionary", action="deny", side="input", more=NO_TIGERS)
    with behind(upstream, rule) as gateway, dial(gateway) as connection:
        pieces = item("a ti")
        pieces["item"]["content"].append({"type": "input_text", "text": "ger"})
        for event in (pieces, item("a ti"), item("ger")):
            say(connection, event)
        events, _ = heard(connection, "error")
        assert events[-1]["error"]["code"] == "rule-denied"
        events, _ = heard(connection, "error")
        assert events[-1]["error"]["code"] == "rule-denied"
        # What was refused is not part of the conversation.
        say(connection, item("s are fine"), ASK)
        assert heard(connection)[1]


def test_pages_of_other_sites_open_nothing(open_gateway):
    assert refusal(open_gateway, origin="https://evil.example") == (403, "origin_not_allowed")
    with dial(open_gateway) as connection:
        heard(connection, "session.created")


def test_a_bad_event_is_an_error_event_and_the_connection_stays(open_gateway):
    with dial(open_gateway) as connection:
        for text in ("{", "[]", '"x"', "{}", '{"type":7}', '{"type":"response.create","response":'):
            connection.send(text)
            events, _ = heard(connection, "error")
            assert events[-1]["error"]["type"] == "invalid_request_error", text
        say(connection, item("still here"), ASK)
        assert heard(connection)[1] == "still here"


def test_what_is_no_event_ends_the_connection(open_gateway):
    with dial(open_gateway) as connection:
        connection.send(b"\x00")
        assert closing(connection)[0] == 1003
    with dial(open_gateway) as connection:
        connection.send(json.dumps(item("x" * 70_000)))
        assert closing(connection)[0] == 1009


@contextmanager
def raw(gateway, headers=()):
    """A connection whose frames the test writes itself."""
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as stream:
        head = [
            "GET /v1/realtime?model=gpt-realtime HTTP/1.1",
            f"Host: localhost:{port}",
            "Connection: keep-alive, Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        given = {line.split(":")[0] for line in headers}
        head = [line for line in head if line.split(":")[0] not in given] + [line for line in headers if ": " in line]
        stream.sendall("\r\n".join([*head, "", ""]).encode())
        yield stream


def answered(stream):
    read = b""
    while b"\r\n\r\n" not in read:
        read += stream.recv(4096) or pytest.fail(f"it ended: {read}")
    return read.partition(b"\r\n\r\n")


def frame(opcode, payload, masked=True, bits=0x80):
    mask = b"\x01\x02\x03\x04" if masked else b""
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)) if masked else payload
    return struct.pack("!BB", bits | opcode, len(payload) | (0x80 if masked else 0)) + mask + body


def rest(stream):
    """All that still comes, until the other side ends."""
    read = b""
    try:
        while piece := stream.recv(4096):
            read += piece
    except ConnectionResetError:
        pass
    return read


@pytest.mark.parametrize(
    ("bytes_", "code"),
    [
        (frame(1, b"{}", masked=False), 1002),
        (frame(1, b"{}", bits=0xC0), 1002),
        (frame(3, b"{}"), 1002),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(9, b"x" * 125, bits=0x00), 1002),
    ],
    ids=["unmasked", "reserved bits", "unknown kind", "no UTF-8", "a control frame in pieces"],
)
def test_bad_frames_end_the_connection_with_a_code(open_gateway, bytes_, code):
    with raw(open_gateway) as stream:
        head, _, first = answered(stream)
        assert b" 101 " in head.split(b"\r\n")[0] + b" "
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        stream.sendall(bytes_)
        assert struct.pack("!H", code) in first + rest(stream)


@pytest.mark.parametrize(
    "header",
    ["Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: short", "Sec-WebSocket-Key", "Connection: close", "Content-Length: 3"],
)
def test_a_handshake_that_is_none_opens_nothing(open_gateway, header):
    with raw(open_gateway, [header]) as stream:
        assert answered(stream)[0].split()[1] in (b"400", b"426")


def test_silence_ends_the_connection(open_gateway, upstream):
    with dial(open_gateway) as connection:
        began = time.monotonic()
        code, reason, _ = closing(connection)
        assert (code, "realtime.idle" in reason) == (1001, True)
        assert time.monotonic() - began < 6


def test_a_client_that_answers_no_ping_is_gone(open_gateway):
    with raw(open_gateway) as stream:
        answered(stream)
        began = time.monotonic()
        rest(stream)
        # The bound for silence is longer.
        assert time.monotonic() - began < 2


def test_a_revoked_key_ends_the_connection_within_a_second(upstream, tmp_path):
    file = tmp_path / "keys.toml"
    create(file)
    key = create(file)
    with behind(upstream, keys=file) as gateway, dial(gateway, key) as connection:
        heard(connection, "session.created")
        command = [BINARY, "keys", "--file", file, "expire", key.split("-")[1]]
        subprocess.run(command, check=True, capture_output=True)
        gateway.process.send_signal(signal.SIGHUP)
        began = time.monotonic()
        assert closing(connection)[0] == 1008
        assert time.monotonic() - began < 3


def test_a_shutdown_ends_the_connection_first(upstream):
    with behind(upstream) as gateway, dial(gateway) as connection:
        heard(connection, "session.created")
        gateway.process.send_signal(signal.SIGTERM)
        assert closing(connection)[:2] == (1001, "the gateway is shutting down")
        assert gateway.process.wait(10) == 0


def test_the_upstreams_end_is_the_clients(open_gateway, upstream):
    with dial(open_gateway) as connection:
        say(connection, item("hang up"))
        assert closing(connection)[:2] == (4001, "bye")
    with dial(open_gateway) as connection:
        say(connection, item("vanish"))
        code, reason, last = closing(connection)
        assert (code, reason) == (1011, "upstream_reset")
        assert last["error"]["code"] == "upstream_reset"
    with dial(open_gateway) as connection:
        heard(connection, "session.created")
        connection.close(4002, "enough")
    end = time.monotonic() + 10
    while (4002, "enough") not in upstream.closings:
        assert time.monotonic() < end, upstream.closings


def test_each_response_counts_against_the_keys_limits(upstream, tmp_path):
    file = tmp_path / "keys.toml"
    key = create(file, "--requests-per-minute", "2")
    with behind(upstream, keys=file) as gateway, dial(gateway, key) as connection:
        for _ in range(2):
            say(connection, item("hi"), ASK)
            heard(connection)
        say(connection, ASK)
        assert heard(connection, "error")[0][-1]["error"]["code"] == "rate_limit_exceeded"
        assert refusal(gateway, key) == (429, "rate_limit_exceeded")


def test_both_sides_may_speak_tls(tmp_path):
    ours = Authority(tmp_path, "ours")
    server = ours.issue("server", x509.ExtendedKeyUsageOID.SERVER_AUTH)
    cert, key = ours.issue("client", x509.ExtendedKeyUsageOID.CLIENT_AUTH)
    asks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asks.load_cert_chain(*server)
    asks.verify_mode = ssl.CERT_REQUIRED
    asks.load_verify_locations(ours.file)
    # Whoever offers HTTP/2 gets it here, and no WebSocket.
    asks.set_alpn_protocols(["h2", "http/1.1"])
    more = f"""
ca_file = "{ours.file}"
tls = {{ cert = "{cert}", key = "{key}" }}

[server.tls]
cert = "{server[0]}"
key = "{server[1]}"
"""
    trusts = ssl.create_default_context(cafile=ours.file)
    with RealtimeUpstream(asks) as upstream, behind(upstream, more) as gateway:
        with dial(gateway, ssl=trusts) as connection:
            say(connection, item("in private"), ASK)
            assert heard(connection)[1] == "in private"
        assert upstream.refused == []


def test_input_rules_judge_the_text_of_events(upstream):
    rules = RULE.format(name="no-tigers", kind="dictionary", action="deny", side="input", more=NO_TIGERS)
    rules += RULE.format(name="pii", kind="pii", action="mask", side="input", more='entities = ["EMAIL"]')
    before = len(upstream.events)
    with behind(upstream, rules) as gateway, dial(gateway) as connection:
        for event, code in (
            (item("a tiger"), "rule-denied"),
            (item("write to ann@example.org"), "masked"),
            ({"type": "session.update", "session": {"instructions": "be a tiger"}}, "rule-denied"),
            ({"type": "session.update", "session": {"tools": [{"type": "function", "name": "f", "description": "a tiger"}]}}, "rule-denied"),
            ({"type": "response.create", "response": {"instructions": "tiger"}}, "rule-denied"),
            ({"type": "input_audio_buffer.append", "audio": "AAAA"}, None),
            ({"type": "input_audio_buffer.append", "audio": "AAAA", "event_id": "e"}, None),
            ({"type": "session.update", "session": {"novel": "text"}}, None),
        ):
            say(connection, event)
            error = heard(connection, "error")[0][-1]["error"]
            assert code in (None, error["code"]), (event, error)
        say(connection, item("a cat"), ASK)
        assert heard(connection)[1] == "a cat"
    assert [event["type"] for event in upstream.events[before:]] == ["conversation.item.create", "response.create"]


def test_output_rules_judge_text_across_pieces_and_refuse_sound(upstream):
    rules = RULE.format(name="no-tigers", kind="dictionary", action="deny", side="output", more=NO_TIGERS)
    rules += RULE.format(name="pii", kind="pii", action="mask", side="output", more='entities = ["EMAIL"]')
    with behind(upstream, rules) as gateway:
        with dial(gateway) as connection:
            say(connection, item("my"), ASK)
            assert heard(connection)[1] == "my"
            say(connection, item("it is fine"), ASK)
            assert heard(connection)[1] == "it is fine"
        with dial(gateway) as connection:
            # The item comes back in an event: there a mask replaces it as well.
            say(connection, item("ask ann@example.org now"), ASK)
            events, text = heard(connection)
            assert text == "ask [EMAIL] now"
            assert "ann@" not in json.dumps(events)
        with dial(gateway) as connection:
            say(connection, {"type": "input_audio_buffer.commit"})
            code, reason, last = closing(connection)
            assert (code, reason, last["error"]["code"]) == (1008, "unreadable", "unreadable")
        with dial(gateway) as connection:
            say(connection, item("a ti"), item("tiger"))
            code, _, last = closing(connection)
            assert (code, last["error"]["code"]) == (1008, "rule-denied")
            assert "tiger" not in last["error"]["message"].replace("no-tigers", "")


def test_a_route_without_guardrails_passes_everything(upstream):
    rules = RULE.format(name="no-tigers", kind="dictionary", action="deny", side="input", more=NO_TIGERS)
    off = '[[through]]\nendpoint = "realtime"\nguard = "off"\n'
    with behind(upstream, rules + off) as gateway, dial(gateway) as connection:
        say(connection, item("a tiger"), {"type": "input_audio_buffer.append", "audio": "AAAA"}, {"type": "input_audio_buffer.commit"})
        assert heard(connection)[1] == "heard you"
