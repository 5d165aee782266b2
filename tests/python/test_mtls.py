"""Upstreams over TLS that let in only clients with a certificate."""

import datetime
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from clouds.vllm import MODEL, Vllm
from forebay import Gateway
from wires import CHAT, WIRES, name

LIFE = datetime.timedelta(days=1)
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Authority:
    """A certificate authority of the test's own; its files are in `folder`."""

    def __init__(self, folder, title):
        self.folder, self.title = folder, title
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(title)
        basic = x509.BasicConstraints(ca=True, path_length=0)
        builder = self._begin(self.name, self.key).add_extension(basic, critical=True)
        certificate = builder.sign(self.key, hashes.SHA256())
        self.file = folder / f"{title}.pem"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, subject, usage):
        """Files of a certificate for 127.0.0.1 and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = (
            self._begin(_name(subject), key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(place, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        files = [self.folder / f"{self.title}-{subject}.{kind}" for kind in ("pem", "key")]
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        files[1].write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        )
        files[1].chmod(0o600)
        return files

    def _begin(self, subject, key):
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number())
        return builder.not_valid_before(now - LIFE).not_valid_after(now + LIFE)


def _name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


class Fenced(Vllm):
    """An engine behind TLS that asks for a certificate of `authority`'s."""

    def __init__(self, authority, version):
        super().__init__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(*authority.issue("server", x509.ExtendedKeyUsageOID.SERVER_AUTH))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.file)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://{self.authority}"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two authorities, which do not trust each other, and a client's certificate of each."""
    folder = tmp_path_factory.mktemp("mtls")
    ours, theirs = Authority(folder, "ours"), Authority(folder, "theirs")
    client = x509.ExtendedKeyUsageOID.CLIENT_AUTH
    clients = {"client": ours.issue("client", client), "stranger": theirs.issue("client", client)}
    return {"ours": ours, "theirs": theirs, **clients}


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: version.name)
def engine(request, files):
    with Fenced(files["ours"], request.param) as engine:
        yield engine


@pytest.fixture(scope="module")
def gateway(engine, files):
    """One upstream for each way to come: as it should be, bare, with a stranger's certificate, trusting another."""

    def upstream(title, authority, client):
        speaks = '["chat", "completions", "embeddings"]'
        lines = [f'name = "{title}"', 'provider = "vllm"', f'urls = ["{engine.url}"]', 'health_path = ""']
        lines += [f'models = {{ "{title}" = "{MODEL}" }}', f"speaks = {speaks}"]
        lines += [f'ca_file = "{files[authority].file}"'] if authority else []
        lines += ['tls = {{ cert = "{}", key = "{}" }}'.format(*files[client])] if client else []
        return "[[upstreams]]\n" + "\n".join(lines) + "\n"

    config = "[retries]\nattempts = 1\neject_after = 1000000\n"
    config += upstream("known", "ours", "client") + upstream("bare", "ours", None)
    config += upstream("stranger", "ours", "stranger") + upstream("misled", "theirs", "client")
    config += upstream("trusting-the-web", None, "client")
    with Gateway(config) as gateway:
        yield gateway


@pytest.mark.parametrize("wire", WIRES, ids=name)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_certificate_lets_the_gateway_in(gateway, wire, streamed):
    answer = wire.post(gateway.url, "known", streamed=streamed)
    assert answer.status_code == 200, answer.text
    assert wire.stream_error(answer.content) is None if streamed else "You said: Hello" in answer.text


@pytest.mark.parametrize("title", ["bare", "stranger", "misled", "trusting-the-web"])
@pytest.mark.parametrize("wire", WIRES, ids=name)
def test_without_the_right_certificates_the_error_names_the_upstream(gateway, engine, wire, title):
    before = len(engine.requests)
    message = wire.refused(wire.post(gateway.url, title), 502)
    assert f'"{title}"' in message
    assert len(engine.requests) == before


def test_an_error_of_tls_names_no_private_file(gateway, files):
    message = CHAT.refused(CHAT.post(gateway.url, "stranger"), 502)
    assert str(files["stranger"][1]) not in message
    assert "PRIVATE KEY" not in message + gateway.logged()
