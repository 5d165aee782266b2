"""What `cargo xtask dist` writes: each package is unpacked and started, alone, from an empty folder.

`.ci/run --full` packages the real program. Otherwise a small stand-in that runs the program in its place is
packaged, which takes seconds; what needs the real one is left to --full.
"""

import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess

import tarfile
import urllib.request
import venv

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("FOREBAY_BIN", ROOT / "target/release/forebay")).absolute()
CARGO = os.environ.get("CARGO", "cargo")

FULL = os.environ.get("FOREBAY_FULL") == "1"
real = pytest.mark.skipif(not FULL, reason="NOT RUN: needs the program itself in the package: .ci/run --full (FOREBAY_FULL=1)")
STAND_IN = """
#include <unistd.h>
int main(int count, char **words) { (void)count; return execv(PROGRAM, words); }
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """What is packaged."""
    if FULL:
        return BINARY
    folder = tmp_path_factory.mktemp("stand-in")
    (folder / "forebay.c").write_text(STAND_IN)
    define = f'-DPROGRAM="{BINARY}"'
    subprocess.run(["cc", define, "-o", folder / "forebay", folder / "forebay.c"], check=True)
    return folder / "forebay"


def dist(out, program):
    """The packages of the given program, or of the build that is shipped where FOREBAY_DIST asks for it."""
    words = [] if os.environ.get("FOREBAY_DIST") == "1" else ["--binary", program]
    subprocess.run([CARGO, "xtask", "dist", "--out", out, *words], check=True, cwd=ROOT)
    return out


@pytest.fixture(scope="module")
def packages(tmp_path_factory, program):
    return dist(tmp_path_factory.mktemp("packages"), program)


def one(packages, ending):
    (found,) = packages.glob(f"*{ending}")
    return found


def answers(words, folder, **options):
    """Starts a gateway in an empty folder with nothing of this checkout around it, and asks it something."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    surroundings = {"HOME": str(home), "PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": "/tmp", "XDG_CACHE_HOME": "/tmp/forebay-test-cache"}
    started = subprocess.Popen(
        [*words, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=empty, env=surroundings, **options,
    )
    try:
        said, url = [], None
        for line in started.stdout:
            said.append(line)
            if line.startswith("forebay listening on "):
                url = line.split()[-1]
            if line.startswith("forebay guardrails: "):
                break
        assert url, "".join(said) + started.stderr.read()
        assert "built in" in "".join(said) and "secrets (deny)" in said[-1], said
        body = {"model": "forebay-sim", "max_tokens": 4, "messages": [{"role": "user", "content": "hello"}]}
        request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.load(answer)["choices"]
    finally:
        started.terminate()
        started.wait(45)


def test_the_checksums_are_right(packages):
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=packages, check=True)
    listed = {line.split()[-1] for line in (packages / "SHA256SUMS").read_text().splitlines()}
    assert listed == {file.name for file in packages.iterdir()} - {"SHA256SUMS"}


def test_the_tarball_starts(packages, tmp_path):
    with tarfile.open(one(packages, ".tar.gz")) as tar:
        tar.extractall(tmp_path, filter="data")
    answers([next(tmp_path.glob("*/forebay"))], tmp_path)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="MISSING dpkg-deb: it comes with Debian")
def test_the_debian_package_starts_and_enables_nothing(packages, tmp_path):
    package = one(packages, ".deb")
    subprocess.run(["dpkg-deb", "-x", package, tmp_path / "root"], check=True)
    subprocess.run(["dpkg-deb", "-e", package, tmp_path / "control"], check=True)
    root = tmp_path / "root"
    for file in ("usr/lib/systemd/system/forebay.service", "etc/forebay/forebay.toml", "usr/share/man/man1/forebay.1.gz"):
        assert (root / file).is_file(), file
    for script in (tmp_path / "control").iterdir():
        assert "systemctl" not in script.read_text() and "deb-systemd" not in script.read_text(), script
    answers([root / "usr/bin/forebay"], tmp_path)


def cpio(data):
    """Files of a cpio archive in the new ASCII format."""
    at = 0
    while data[at : at + 6] == b"070701":
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, length = fields[1], fields[6], fields[11]
        name = data[at + 110 : at + 110 + length - 1].decode()
        at = (at + 110 + length + 3) // 4 * 4
        if name == "TRAILER!!!":
            return
        yield name, mode, data[at : at + size]
        at = (at + size + 3) // 4 * 4


def test_the_rpm_starts(packages, tmp_path):
    content = one(packages, ".rpm").read_bytes()
    assert content[:4] == b"\xed\xab\xee\xdb"
    payload = gzip.decompress(content[content.index(b"\x1f\x8b\x08") :])
    files = {name.lstrip("./"): body for name, _, body in cpio(payload)}
    assert "usr/lib/systemd/system/forebay.service" in files
    program = tmp_path / "forebay"
    program.write_bytes(files["usr/bin/forebay"])
    program.chmod(0o755)
    answers([program], tmp_path)


@real
def test_the_wheel_installs_and_starts(packages, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    pip = [tmp_path / "venv/bin/python", "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, one(packages, ".whl")], check=True)
    answers([tmp_path / "venv/bin/forebay"], tmp_path)


def layout(packages, folder):
    """The image, each blob held to its digest, unpacked: its configuration and its root."""
    with tarfile.open(one(packages, ".oci.tar")) as tar:
        tar.extractall(folder / "layout", filter="data")

    def blob(descriptor):
        content = (folder / "layout/blobs/sha256" / descriptor["digest"].removeprefix("sha256:")).read_bytes()
        assert descriptor["size"] == len(content)
        assert descriptor["digest"] == "sha256:" + hashlib.sha256(content).hexdigest()
        return content

    index = json.loads((folder / "layout/index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]))
    config = json.loads(blob(manifest["config"]))
    (layer,) = manifest["layers"]
    unpacked = gzip.decompress(blob(layer))
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(unpacked).hexdigest()]
    root = folder / "root"
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as tar:
        tar.extractall(root, filter="tar")
    return config, root


def test_the_image_is_what_it_says(packages, tmp_path):
    config, root = layout(packages, tmp_path)
    assert config["config"]["User"] == "65532:65532"
    program = root / config["config"]["Entrypoint"][0].lstrip("/")
    assert program.stat().st_mode & 0o111


@real
def test_the_image_starts_in_its_own_root_as_its_own_user(packages, tmp_path):
    config, root = layout(packages, tmp_path)
    if os.geteuid() != 0:
        pytest.skip("chroot needs root; the image's files are checked above")
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder != pathlib.Path("/") and folder.stat().st_uid == os.geteuid() and "pytest" in str(folder):
            folder.chmod(0o755)
    (root / "tmp").chmod(0o1777)
    # It is in an administrator's folder, which the gateway's own PATH here does not have.
    chroot = shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    words = [chroot, "--userspec=65532:65532", str(root), *config["config"]["Entrypoint"]]
    answers(words, tmp_path)


def test_the_bill_of_materials_names_what_is_linked(packages):
    bill = json.loads(one(packages, ".cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    names = {component["name"] for component in bill["components"]}
    assert {"wasmtime", "hyper", "rustls", "forebay-gateway"} <= names
    assert not names & {"proptest", "criterion", "tempfile"}
    assert [one["name"] for one in bill["components"] if not one.get("licenses")] == []
    references = {component["bom-ref"] for component in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {below for one in bill["dependencies"] for below in one["dependsOn"]} <= references


def test_the_same_program_gives_the_same_bytes(packages, program, tmp_path):
    again = dist(tmp_path / "again", program)
    same = [".tar.gz", ".oci.tar", ".whl", ".cdx.json", ".deb"]
    assert [ending for ending in same if one(packages, ending).read_bytes() != one(again, ending).read_bytes()] == []
