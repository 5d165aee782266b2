"""Upstreams that break: damaged frames, pages instead of errors, no room. Each client reads it in its dialect."""

import itertools

import pytest

from clouds import sse
from clouds.server import Reply
from forebay import Gateway
from raw_cloud import ENV, ONCE, RawCloud, upstream
from wires import CHAT, CONVERSE, MESSAGES, WIRES, events, frames, name

MODEL = "at-raw"
STREAM = {"content-type": "application/vnd.amazon.eventstream"}
PAGE = "<html><body><h1>500 Internal Server Error</h1><p>of-the-balancer</p></body></html>"
# Models for tests that put one to rest.
BUSY = [f"busy-{number}" for number in range(100)]
UNASKED = iter(BUSY)
# So that no test meets another's recording.
QUESTIONS = (f"question {number}" for number in itertools.count())


def converse_frames():
    """A whole ConverseStream."""
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}
    delta = [{"contentBlockIndex": 0, "delta": {"text": text}} for text in ("Zürich ", "is ", "there")]
    return [
        sse.aws_event("messageStart", {"role": "assistant"}),
        *(sse.aws_event("contentBlockDelta", each) for each in delta),
        sse.aws_event("contentBlockStop", {"contentBlockIndex": 0}),
        sse.aws_event("messageStop", {"stopReason": "end_turn"}),
        sse.aws_event("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}),
    ]


def flipped(frame, at):
    damaged = bytearray(frame)
    damaged[at] ^= 1
    return bytes(damaged)


# What happens to the third frame.
DAMAGES = {
    "cut": lambda frame: (frame[: len(frame) // 2], False),
    "cut in its prelude": lambda frame: (frame[:5], False),
    "missing, with all after it": lambda frame: (b"", False),
    "of a wrong checksum": lambda frame: (flipped(frame, -1), True),
    "of a wrong prelude's checksum": lambda frame: (flipped(frame, 11), True),
    "of a damaged payload": lambda frame: (flipped(frame, -10), True),
    "of a damaged length": lambda frame: (flipped(frame, 0), True),
    "no frame but text": lambda frame: (b"Internal Server Error" * 10, True),
    "no JSON": lambda frame: (sse.aws_event("contentBlockDelta", b'{"contentBlockIndex": 0, "delta"'), True),
}


def damaged(damage):
    first, second, third, *rest = converse_frames()
    broken, more = DAMAGES[damage](third)
    return first + second + broken + b"".join(rest if more else [])


@pytest.fixture(scope="module")
def cloud():
    with RawCloud() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def gateway(cloud):
    with Gateway(ONCE + upstream(MODEL, "bedrock", cloud, others=BUSY), env=ENV) as gateway:
        yield gateway


def asked(cloud, ask):
    """The answer, and how often the cloud was asked for it."""
    before = len(cloud.requests)
    return ask(), len(cloud.requests) - before


@pytest.mark.parametrize("wire", WIRES, ids=name)
def test_a_whole_stream_is_given_once_more_from_the_cache(gateway, cloud, wire):
    cloud.said_next = Reply(b"".join(converse_frames()), headers=STREAM)
    question = next(QUESTIONS)
    for times in (1, 0):
        answer, count = asked(cloud, lambda: wire.post(gateway.url, MODEL, question, streamed=True))
        assert answer.status_code == 200
        assert wire.stream_error(answer.content) is None
        assert count == times


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("wire", WIRES, ids=name)
def test_a_damaged_frame_ends_the_stream_with_an_error_and_is_not_kept(gateway, cloud, wire, damage):
    cloud.said_next = Reply(damaged(damage), headers=STREAM)
    question = next(QUESTIONS)
    for _ in range(2):
        answer, count = asked(cloud, lambda: wire.post(gateway.url, MODEL, question, streamed=True))
        assert answer.status_code == 200, answer.text
        assert wire.stream_error(answer.content)
        assert b"there" not in answer.content
        assert count == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_came_before_the_damage_reaches_the_client(gateway, cloud, damage):
    cloud.said_next = Reply(damaged(damage), headers=STREAM)
    answer = CHAT.post(gateway.url, MODEL, next(QUESTIONS), streamed=True)
    text = [c["delta"].get("content") or "" for e in events(answer.content) for c in e.get("choices", [])]
    assert "".join(text) == "Zürich "
    assert not any(c["finish_reason"] for e in events(answer.content) for c in e.get("choices", []))
    answer = MESSAGES.post(gateway.url, MODEL, next(QUESTIONS), streamed=True)
    assert "message_stop" not in {event["type"] for event in events(answer.content)}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_client_of_amazons_gets_good_frames_all_the_same(gateway, cloud, damage):
    cloud.said_next = Reply(damaged(damage), headers=STREAM)
    answer = CONVERSE.post(gateway.url, MODEL, next(QUESTIONS), streamed=True)
    kinds = [headers.get(":event-type") for headers, _ in frames(answer.content)]
    assert kinds == ["messageStart", "contentBlockDelta", None]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("wire", WIRES, ids=name)
@pytest.mark.parametrize("status", [500, 502])
def test_a_page_instead_of_an_error_keeps_its_status_and_is_not_shown(gateway, cloud, wire, streamed, status):
    cloud.said_next = Reply(PAGE.encode(), status, {"content-type": "text/html"})
    message = wire.refused(wire.post(gateway.url, MODEL, next(QUESTIONS), streamed), status)
    assert MODEL in message
    assert "of-the-balancer" not in message


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("wire", WIRES, ids=name)
def test_a_page_instead_of_an_answer_is_a_bad_gateway(gateway, cloud, wire, streamed):
    cloud.said_next = Reply(PAGE.encode(), 200, {"content-type": "text/html"})
    message = wire.refused(wire.post(gateway.url, MODEL, next(QUESTIONS), streamed), 502)
    assert "of-the-balancer" not in message


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({"retry-after": "7"}, "7"),
        ({"retry-after-ms": "1500"}, "2"),
        ({"retry-after-ms": "1500", "retry-after": "7"}, "2"),
        ({}, None),
        ({"retry-after": "soon"}, None),
    ],
    ids=["seconds", "milliseconds", "both", "neither", "words"],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("wire", WIRES, ids=name)
def test_too_many_requests_are_told_with_the_time_to_wait(gateway, cloud, wire, streamed, told, seconds):
    cloud.said_next = Reply.json({"message": "Too many tokens per day"}, 429)
    cloud.said_next.headers |= told
    answer = wire.post(gateway.url, next(UNASKED), next(QUESTIONS), streamed)
    assert "Too many tokens per day" in wire.refused(answer, 429)
    assert answer.headers.get("retry-after") == seconds
