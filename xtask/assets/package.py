"""Packages the binary that is given: a tarball, a Debian package, an OCI image layout, a Python wheel.

package.py --binary FILE --root CHECKOUT --files FOLDER --out FOLDER --version X.Y.Z --epoch SECONDS

FILES holds what a distribution installs beside the program: manual pages, completions, the unit.

The standard library alone. The same input gives the same bytes: names are sorted, owners are root, times are EPOCH.
"""

import argparse
import gzip
import hashlib
import io
import json
import pathlib
import platform
import re
import subprocess
import tarfile
import zipfile
import base64
import time

USER = 65532


def deterministic_tar(entries, epoch):
    """A tar of (name, mode, content, owner); content None is a folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, mode, content, owner in sorted(entries):
            info = tarfile.TarInfo(name)
            info.mode, info.mtime, info.uid, info.gid = mode, epoch, owner, owner
            if content is None:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def gzipped(data):
    return gzip.compress(data, compresslevel=9, mtime=0)


def with_folders(files, owner=0):
    """The files with every folder above them, as entries."""
    entries, folders = [], set()
    for name, mode, content in files:
        parts = pathlib.PurePosixPath(name).parents
        # The form of the names is kept: a Debian package's begin with ./
        start = "./" if name.startswith("./") else ""
        folders |= {start + str(part) for part in parts if str(part) not in (".", "/")}
        entries.append((name, mode, content, owner))
    return [(folder, 0o755, None, owner) for folder in folders] + entries


def tarball(args, documents):
    name = f"forebay-{args.version}-{args.arch}-linux"
    files = [(f"{name}/forebay", 0o755, args.program)]
    files += [(f"{name}/{path}", 0o644, content) for path, content in documents]
    return f"{name}.tar.gz", gzipped(deterministic_tar(with_folders(files), args.epoch))


# Where a Debian package puts what lies in the folder of files.
INSTALLED = {
    "forebay.service": "usr/lib/systemd/system/forebay.service",
    "completions/forebay": "usr/share/bash-completion/completions/forebay",
    "completions/_forebay": "usr/share/zsh/vendor-completions/_forebay",
    "completions/forebay.fish": "usr/share/fish/vendor_completions.d/forebay.fish",
    "README.md": "usr/share/doc/forebay/README.md",
    "LICENSE": "usr/share/doc/forebay/copyright",
}


def debian(args):
    """A binary package as deb(5) has it: three members in an ar archive. It enables and starts nothing."""
    files = [("./usr/bin/forebay", 0o755, args.program)]
    files.append(("./etc/forebay/forebay.toml", 0o644, (args.files / "forebay.toml").read_bytes()))
    files += [(f"./{there}", 0o644, (args.files / here).read_bytes()) for here, there in INSTALLED.items()]
    for page in sorted((args.files / "man").glob("*.1")):
        files.append((f"./usr/share/man/man1/{page.name}.gz", 0o644, gzipped(page.read_bytes())))
    size = sum(len(content) for *_, content in files) // 1024 + 1
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(args.arch, args.arch)
    control = f"""Package: forebay
Version: {args.version}
Architecture: {arch}
Maintainer: The Forebay authors <forebay@example.org>
Installed-Size: {size}
Depends: libc6 (>= {glibc(args.binary)}), passwd
Section: net
Priority: optional
Description: An inference gateway and token cache with sandboxed policies
 It stands before inference engines and clouds, caches answers, screens prompts,
 and chooses who computes.
"""
    sums = "".join(f"{hashlib.md5(content).hexdigest()}  {name[2:]}\n" for name, _, content in files)
    about = [
        ("./control", 0o644, control.encode()),
        ("./conffiles", 0o644, b"/etc/forebay/forebay.toml\n"),
        ("./md5sums", 0o644, sums.encode()),
        ("./preinst", 0o755, (args.root / "deploy/packages/preinst").read_bytes()),
    ]
    members = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", gzipped(deterministic_tar(with_folders(about), args.epoch))),
        ("data.tar.gz", gzipped(deterministic_tar(with_folders(files), args.epoch))),
    ]
    out = b"!<arch>\n"
    for name, content in members:
        out += f"{name:<16}{args.epoch:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        out += b"\n" * (len(content) % 2)
    return f"forebay_{args.version}_{arch}.deb", out


def glibc(binary):
    """The newest version of the C library's symbols that the program asks for."""
    found = re.findall(rb"GLIBC_(2\.\d+)", pathlib.Path(binary).read_bytes())
    newest = max((int(version.split(b".")[1]) for version in found), default=17)
    return f"2.{newest}"


def libraries(binary):
    """What the program is linked with, as files of this machine; nothing for a static one."""
    said = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    paths = re.findall(r"(?:=> )?(/\S+) \(0x", said)
    return sorted({str(pathlib.Path(path)) for path in paths})


def image(args):
    """An OCI image layout over nothing: the program, the C library that it needs, a user, a place for state.

    The roots of public certificate authorities are inside the program.
    """
    files = [
        ("usr/bin/forebay", 0o755, args.program),
        ("etc/passwd", 0o644, b"root:x:0:0::/:/none\nforebay:x:%d:%d::/var/lib/forebay:/none\n" % (USER, USER)),
        ("etc/group", 0o644, b"root:x:0:\nforebay:x:%d:\n" % USER),
        ("etc/nsswitch.conf", 0o644, b"hosts: files dns\n"),
        ("usr/share/doc/forebay/LICENSE", 0o644, (args.root / "LICENSE").read_bytes()),
    ]
    for path in libraries(args.binary):
        files.append((path.lstrip("/"), 0o755, pathlib.Path(path).read_bytes()))
    entries = with_folders(files)
    entries += [("var/lib/forebay", 0o700, None, USER), ("etc/forebay", 0o755, None, 0), ("tmp", 0o1777, None, 0)]
    known = {name for name, *_ in entries}
    entries += [("var/lib", 0o755, None, 0)] * ("var/lib" not in known) + [("var", 0o755, None, 0)] * ("var" not in known)
    layer = deterministic_tar(entries, args.epoch)
    packed = gzipped(layer)
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(args.epoch))
    labels = {
        "org.opencontainers.image.title": "forebay",
        "org.opencontainers.image.version": args.version,
        "org.opencontainers.image.licenses": "Apache-2.0",
    }
    config = {
        "created": created,
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(args.arch, args.arch),
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "ExposedPorts": {"8080/tcp": {}, "8081/tcp": {}},
            "Env": ["PATH=/usr/bin", "XDG_STATE_HOME=/var/lib/forebay", "XDG_CACHE_HOME=/tmp"],
            "Entrypoint": ["/usr/bin/forebay"],
            "Cmd": ["serve"],
            "WorkingDir": "/etc/forebay",
            "StopSignal": "SIGTERM",
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
        "history": [{"created": created, "created_by": "cargo xtask dist"}],
    }
    blobs = {}

    def blob(content, media_type):
        name = digest(content)
        blobs[name] = content
        return {"mediaType": media_type, "digest": name, "size": len(content)}

    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(canonical(config), "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(packed, "application/vnd.oci.image.layer.v1.tar+gzip")],
        "annotations": labels,
    }
    entry = blob(canonical(manifest), "application/vnd.oci.image.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": args.version}
    files = [("oci-layout", 0o644, canonical({"imageLayoutVersion": "1.0.0"}))]
    files.append(("index.json", 0o644, canonical({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]})))
    files += [(f"blobs/sha256/{name.removeprefix('sha256:')}", 0o644, content) for name, content in blobs.items()]
    return f"forebay-{args.version}-{args.arch}.oci.tar", deterministic_tar(with_folders(files), args.epoch)


def wheel(args):
    """A wheel whose one script is the program: `pip install` puts it on the PATH."""
    name = f"forebay-{args.version}"
    tag = f"py3-none-{platform_tag(args)}"
    info = f"{name}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: forebay\nVersion: {args.version}\nSummary: An inference gateway and token cache with sandboxed policies\nLicense: Apache-2.0\n"
    files = {
        f"{name}.data/scripts/forebay": args.program,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: cargo-xtask-dist\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
        f"{info}/licenses/LICENSE": (args.root / "LICENSE").read_bytes(),
    }
    record = [f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},{len(content)}" for path, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    out = io.BytesIO()
    # Zip knows no time before 1980.
    when = time.gmtime(max(args.epoch, 315532800))[:6]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, when)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
            archive.writestr(entry, content)
    return f"{name}-{tag}.whl", out.getvalue()


def platform_tag(args):
    """manylinux with the C library of this machine: the program runs where it is as new, or newer."""
    library, version = platform.libc_ver(args.binary)
    if library != "glibc":
        library, version = platform.libc_ver()
    return f"manylinux_{version.replace('.', '_')}_{args.arch}" if library == "glibc" else f"linux_{args.arch}"


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("binary", "root", "files", "out", "version"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--epoch", type=int, required=True)
    args = parser.parse_args()
    args.root, args.files, args.out = (pathlib.Path(path) for path in (args.root, args.files, args.out))
    args.program = pathlib.Path(args.binary).read_bytes()
    args.arch = platform.machine()
    args.out.mkdir(parents=True, exist_ok=True)
    documents = [(name, (args.root / name).read_bytes()) for name in ("LICENSE", "README.md", "CHANGELOG.md", "forebay.toml")]
    documents.append(("forebay.service", (args.root / "deploy/systemd/forebay.service").read_bytes()))
    for name, content in (tarball(args, documents), debian(args), image(args), wheel(args)):
        (args.out / name).write_bytes(content)
        print(name, flush=True)


main()
