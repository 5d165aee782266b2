"""An upstream with OpenAI's Realtime API that checks every head and frame, and says what it is told to say."""

import json
import socket
import threading
import urllib.parse

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

KEY = "upstreams-own-key"
MODEL = "up-realtime"
USAGE = {"total_tokens": 12, "input_tokens": 7, "output_tokens": 5, "input_token_details": {"cached_tokens": 3}}


class RealtimeUpstream:
    """Sessions on a free loopback port. `refused` lists what no client of OpenAI's may send."""

    def __init__(self, tls=None):
        self.refused, self.events, self.heads, self.closings = [], [], [], []
        self.server = serve(self.session, "127.0.0.1", 0, ssl=tls, max_size=None, process_request=self.check)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.socket.getsockname()[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()

    def check(self, connection, request):
        """The request's head: our own key alone, and the model under this upstream's name."""
        address = urllib.parse.urlsplit(request.path)
        query = urllib.parse.parse_qs(address.query)
        self.heads.append((address.path, query, dict(request.headers.raw_items())))
        wrong = [f"{name}: {value}" for name, value in request.headers.raw_items() if "fb-" in value]
        if request.headers.get("authorization") != f"Bearer {KEY}":
            wrong.append("another's key")
        if address.path != "/v1/realtime" or query not in ({"model": [MODEL]}, {"intent": ["transcription"]}):
            wrong.append(request.path)
        if request.headers.get("sec-websocket-protocol") or not request.headers["user-agent"].startswith("forebay/"):
            wrong.append("a head of the client's")
        self.refused += wrong
        return connection.respond(400, "wrong\n") if wrong else None

    def session(self, connection):
        say = lambda kind, **members: connection.send(json.dumps({"type": kind, "event_id": "event_up", **members}))
        said, spoken = "nothing", []
        say("session.created", session={"id": "sess_1", "type": "realtime", "model": MODEL})
        try:
            for message in connection:
                if not isinstance(message, str):
                    self.refused.append("binary data")
                event = json.loads(message)
                self.events.append(event)
                match event["type"]:
                    case "session.update":
                        if event["session"].get("model") not in (None, MODEL):
                            self.refused.append(f"session.model: {event['session']['model']}")
                        say("session.updated", session={"id": "sess_1", **event["session"]})
                    case "conversation.item.create":
                        content = event["item"].get("content") or [{}]
                        said = content[0].get("text", event["item"].get("output", ""))
                        say("conversation.item.added", item={"id": "item_1", **event["item"]})
                        if said == "hang up":
                            return connection.close(4001, "bye")
                        if said == "vanish":
                            return connection.socket.shutdown(socket.SHUT_RDWR)
                        if said == "binary":
                            connection.send(b"\x00\x01")
                    case "input_audio_buffer.append":
                        spoken.append(event["audio"])
                    case "input_audio_buffer.commit":
                        self.respond(say, "heard you", sound=True)
                    case "response.create":
                        wanted = (event.get("response") or {}).get("output_modalities", ["audio"])
                        self.respond(say, said, sound=wanted != ["text"])
        except ConnectionClosed:
            pass
        finally:
            self.closings.append((connection.close_code, connection.close_reason))

    def respond(self, say, text, sound):
        """One response, its text in pieces of three characters."""
        where = {"response_id": "resp_1", "item_id": "item_2", "output_index": 0, "content_index": 0}
        kind = "output_audio_transcript" if sound else "output_text"
        say("response.created", response={"id": "resp_1", "status": "in_progress", "output": []})
        for at in range(0, len(text), 3):
            if sound:
                say("response.output_audio.delta", delta="AAAA", **where)
            say(f"response.{kind}.delta", delta=text[at : at + 3], **where)
        whole = {"transcript" if sound else "text": text}
        say(f"response.{kind}.done", **whole, **where)
        content = [{"type": "output_audio" if sound else "output_text", **whole}]
        item = {"id": "item_2", "type": "message", "role": "assistant", "content": content}
        say("response.done", response={"id": "resp_1", "status": "completed", "output": [item], "usage": USAGE})
