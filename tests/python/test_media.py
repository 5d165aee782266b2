"""Images by URL for a cloud that takes bytes only: fetched from listed hosts alone, within bounds; else the client
reads why not, and the cloud is not asked."""

import base64
import http.server
import threading

import pytest

from clouds import bedrock
from clouds.config import Upstream
from forebay import Gateway
from wires import CHAT, GEMINI, MESSAGES, RESPONSES, name

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
MAX_BYTES = 1000
# A name may lead to both.
LOOPBACK = '["127.0.0.0/8", "::1/128"]'
MODEL = "at-bedrock"


class Images(http.server.ThreadingHTTPServer):
    """A host of images, and of what a fetch must not be fooled by."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked, self.over = [], threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def url(self, path, host="localhost"):
        return f"http://{host}:{self.server_address[1]}/{path}"

    def close(self):
        self.over.set()
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers.items())))
        getattr(self, self.path.strip("/").partition(".")[0])()

    def x(self):
        self.reply(PNG)

    def named(self):
        self.reply(PNG, kind="image/png; charset=binary")

    def large(self):
        self.reply(PNG.ljust(MAX_BYTES + 1, b"\0"))

    def chunked(self):
        """Too large without saying so first."""
        self.send_response(200)
        self.send_header("content-type", "image/png")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        piece = b"64\r\n" + b"\0" * 100 + b"\r\n"
        try:
            self.wfile.write(piece * (MAX_BYTES // 100 + 1) + b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def untyped(self):
        self.reply(PNG, kind=None)

    def text(self):
        self.reply(b"<html></html>", kind="text/html")

    def missing(self):
        self.reply(b"no such image", status=404)

    def moved(self):
        self.reply(b"", status=302, location=self.server.url("x.png"))

    def silent(self):
        self.server.over.wait(60)
        self.close_connection = True

    def stuck(self):
        """Begins, and never ends."""
        self.send_response(200)
        self.send_header("content-type", "image/png")
        self.send_header("content-length", str(len(PNG)))
        self.end_headers()
        self.wfile.write(PNG[:10])
        self.wfile.flush()
        self.silent()

    def reply(self, content, status=200, kind="image/png", location=None):
        self.send_response(status)
        for header, value in (("content-type", kind), ("location", location), ("content-length", str(len(content)))):
            if value:
                self.send_header(header, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def images():
    images = Images()
    yield images
    images.close()


@pytest.fixture(scope="module")
def cloud():
    with bedrock.Bedrock() as cloud:
        yield cloud


def gateway_with(cloud, media):
    auth = {"kind": "bearer", "key": "env:BEDROCK_KEY"}
    upstream = Upstream(MODEL, "bedrock", cloud, bedrock.MODEL, auth, {"api": "converse"}, bedrock.REGION)
    return Gateway(f"[media]\n{media}\n" + upstream.toml(), env={"BEDROCK_KEY": bedrock.KEY})


@pytest.fixture(scope="module")
def gateway(cloud):
    with gateway_with(cloud, f'hosts = ["localhost"]\nnetworks = {LOOPBACK}\nmax_bytes = {MAX_BYTES}') as gateway:
        yield gateway


@pytest.fixture(scope="module")
def hasty(cloud):
    """A gateway that waits hardly at all."""
    with gateway_with(cloud, f'hosts = ["localhost"]\nnetworks = {LOOPBACK}\ntimeout = "300ms"') as gateway:
        yield gateway


def chat(url):
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    return {"messages": [{"role": "user", "content": parts}]}


def responses(url):
    parts = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "detail": "auto", "image_url": url}]
    return {"input": [{"role": "user", "content": parts}]}


def messages(url):
    parts = [{"type": "image", "source": {"type": "url", "url": url}}, {"type": "text", "text": "What is it?"}]
    return {"messages": [{"role": "user", "content": parts}]}


def gemini(url):
    parts = [{"text": "What is it?"}, {"fileData": {"fileUri": url, "mimeType": "image/png"}}]
    return {"contents": [{"role": "user", "parts": parts}]}


def arrived(cloud):
    """The images of the last request, decoded."""
    blocks = cloud.requests[-1].json()["messages"][0]["content"]
    return [(b["image"]["format"], base64.b64decode(b["image"]["source"]["bytes"])) for b in blocks if "image" in b]


@pytest.mark.parametrize(
    ("wire", "spell"), [(CHAT, chat), (RESPONSES, responses), (MESSAGES, messages), (GEMINI, gemini)], ids=name
)
def test_an_image_by_url_arrives_as_bytes(gateway, cloud, images, wire, spell):
    answer = wire.post(gateway.url, MODEL, **spell(images.url("x.png")))
    assert answer.status_code == 200, answer.text
    assert arrived(cloud) == [("png", PNG)]


def test_parameters_of_the_media_type_do_not_matter(gateway, cloud, images):
    assert CHAT.post(gateway.url, MODEL, **chat(images.url("named.png"))).status_code == 200
    assert arrived(cloud) == [("png", PNG)]


def test_an_image_that_a_prompt_names_twice_is_fetched_once(gateway, cloud, images):
    url = images.url("x.png?twice")
    images.asked.clear()
    body = chat(url)
    body["messages"][0]["content"] *= 2
    assert CHAT.post(gateway.url, MODEL, **body).status_code == 200
    assert arrived(cloud) == [("png", PNG)] * 2
    assert len(images.asked) == 1


def test_a_host_of_images_learns_nothing_of_the_client(gateway, images):
    headers = {"authorization": "Bearer of-the-client", "x-api-key": "of-the-client", "cookie": "of-the-client"}
    images.asked.clear()
    CHAT.post(gateway.url, MODEL, headers=headers, **chat(images.url("x.png")))
    assert "of-the-client" not in str(images.asked)
    assert "What is it?" not in str(images.asked)


def refused(gateway, cloud, url):
    """Why the gateway refused an image; the cloud was not asked."""
    before = len(cloud.requests)
    message = CHAT.refused(CHAT.post(gateway.url, MODEL, **chat(url)), 400)
    assert len(cloud.requests) == before
    return message


# What is asked for → what the client reads.
REASONS = {
    "large.png": "media.max_bytes",
    "chunked.png": "media.max_bytes",
    "untyped.png": "content-type",
    "missing.png": "404",
    "moved.png": "redirect",
    "text.html": "text/html",
}


@pytest.mark.parametrize("path", REASONS)
def test_a_fetch_that_fails_is_refused_with_the_reason(gateway, cloud, images, path):
    assert REASONS[path] in refused(gateway, cloud, images.url(path))


@pytest.mark.parametrize("path", ["silent.png", "stuck.png"])
def test_a_host_that_takes_too_long_is_given_up(hasty, cloud, images, path):
    assert "media.timeout" in refused(hasty, cloud, images.url(path))


def test_a_redirect_is_not_followed(gateway, cloud, images):
    images.asked.clear()
    refused(gateway, cloud, images.url("moved.png"))
    assert [path for path, _ in images.asked] == ["/moved.png"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost.example.org", "localhost@127.0.0.1", "[::1]"])
def test_a_host_that_is_not_listed_is_not_asked(gateway, cloud, images, host):
    images.asked.clear()
    assert "media.hosts" in refused(gateway, cloud, images.url("x.png", host))
    assert not images.asked


@pytest.mark.parametrize(
    "url", ["ftp://localhost/x.png", "file:///etc/x.png", "gs://localhost/x.png", "localhost/x.png"]
)
def test_only_web_addresses_are_fetched(gateway, cloud, url):
    assert "URL" in refused(gateway, cloud, url)


def test_a_host_that_does_not_listen_is_an_error_of_the_request(gateway, cloud, images):
    gone = Images()
    url = gone.url("x.png")
    gone.close()
    assert "could not be reached" in refused(gateway, cloud, url)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"])
def test_a_listed_host_at_a_private_address_is_not_asked_without_its_network(cloud, images, host):
    images.asked.clear()
    with gateway_with(cloud, 'hosts = ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"]') as gateway:
        assert "media.networks" in refused(gateway, cloud, images.url("x.png", host))
    assert not images.asked


def test_without_a_list_no_image_is_fetched(cloud, images):
    images.asked.clear()
    with gateway_with(cloud, "") as gateway:
        assert "media.hosts" in refused(gateway, cloud, images.url("x.png"))
    assert not images.asked
