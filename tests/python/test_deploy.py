"""What deploy/ ships: checked as far as a machine without a container engine can."""

import json
import os
import re
import shutil
import subprocess
import tomllib

import pytest

from forebay import BINARY, ROOT

CONTAINERFILE = ROOT / "deploy/container/Containerfile"
UNIT = ROOT / "deploy/systemd/forebay.service"

INSTRUCTIONS = {
    "FROM", "RUN", "COPY", "ENV", "USER", "WORKDIR", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD",
}  # fmt: skip


def instructions():
    """The Containerfile's instructions as (word, rest), continued lines joined."""
    text = CONTAINERFILE.read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def last_stage():
    found = instructions()
    return found[max(at for at, (word, _) in enumerate(found) if word == "FROM") :]


def copied():
    """What is copied out of the checkout."""
    for word, rest in instructions():
        if word == "COPY" and "--from=" not in rest:
            yield from rest.split()[:-1]


def test_the_containerfile_has_only_known_instructions():
    assert {word for word, _ in instructions()} <= INSTRUCTIONS


def test_every_copied_source_exists():
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_every_workspace_member_is_copied():
    members = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"]
    sources = set(copied())
    assert [member for member in members if member.split("/")[0] not in sources] == []


@pytest.fixture
def copy(tmp_path):
    """A checkout of exactly what the Containerfile copies."""
    for word, rest in instructions():
        if word == "COPY" and "--from=" not in rest and not rest.split()[-1].startswith("/"):
            *sources, target = rest.split()
            for source in sources:
                place = tmp_path / target
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
                else:
                    shutil.copy(ROOT / source, place)
    return tmp_path


def test_what_is_copied_has_every_file_that_the_sources_include(copy):
    missing = []
    for source in copy.rglob("*.rs"):
        for name in re.findall(r'include_(?:str|bytes)!\(\s*"([^"]+)"', source.read_text()):
            if not (source.parent / name).exists():
                missing.append(f"{source.relative_to(copy)}: {name}")
    assert missing == []


def test_what_is_copied_is_a_workspace(copy):
    subprocess.run(["cargo", "metadata", "--no-deps", "--format-version", "1", "--offline"], cwd=copy, check=True, capture_output=True)


@pytest.mark.skipif(os.environ.get("FOREBAY_FULL") != "1", reason="a whole build: .ci/run --full does it")
def test_what_is_copied_builds(copy):
    words = next(rest for word, rest in instructions() if word == "RUN").split()
    subprocess.run(words, cwd=copy, check=True, env={**os.environ, "CARGO_TARGET_DIR": str(copy / "target")})
    subprocess.run([copy / "target/release/forebay", "--version"], check=True)


def test_the_container_builds_with_the_projects_verb():
    assert ("RUN", "cargo xtask build") in instructions()


def test_the_build_image_has_the_rust_that_the_workspace_asks_for():
    wanted = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    image = next(rest for word, rest in instructions() if word == "FROM")
    assert re.match(rf"rust:{re.escape(wanted)}\b", image)


def test_shell_steps_are_sound_shell():
    for step in (rest for word, rest in instructions() if word == "RUN"):
        subprocess.run(["sh", "-n", "-c", step], check=True)


def test_the_container_runs_what_was_copied_and_not_as_root():
    stage = last_stage()
    users = [rest for word, rest in stage if word == "USER"]
    assert users and users[-1] not in ("root", "0")
    program = json.loads(next(rest for word, rest in stage if word == "ENTRYPOINT"))[0]
    targets = [rest.split()[-1] for word, rest in stage if word == "COPY"]
    assert program in targets


def test_systemd_accepts_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/bin/forebay", str(BINARY)))
    verdict = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    complaints = [line for line in verdict.stderr.splitlines() if UNIT.name in line]
    assert complaints == []
    assert verdict.returncode == 0


@pytest.fixture(scope="module")
def build_script(tmp_path_factory):
    program = tmp_path_factory.mktemp("build-script") / "build"
    subprocess.run(["rustc", "--edition", "2024", "-o", program, ROOT / "host/build.rs"], check=True)
    return program


def build(build_script, folder, rustup):
    """Runs host/build.rs with a toolchain that has no wasm32-wasip2; what rustup does is given as a shell script."""
    (folder / "out/debug/build/forebay/out").mkdir(parents=True)
    (folder / "lib").mkdir()
    # What cargo builds is what a policy's file holds: it fails, as the real one does, without the standard library.
    module = "$dir/wasm32-wasip2/guest/forebay_$name.wasm"
    cargo = f"""while [ $# -gt 0 ]; do [ "$1" = --target-dir ] && dir=$2; shift; done
ls {folder}/lib/libstd-1.rlib >/dev/null 2>&1 || {{ echo "can't find crate for std" >&2; exit 101; }}
mkdir -p "$dir/wasm32-wasip2/guest"
for name in prefix_cache guardrails cloud_selector; do echo built > "{module}"; done"""
    for name, text in {"rustc": f"echo {folder}/lib", "cargo": cargo, "rustup": rustup}.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    env = {
        "PATH": f"{folder}:/usr/bin:/bin", "RUSTC": str(folder / "rustc"), "CARGO": str(folder / "cargo"), "PROFILE": "release",
        "OUT_DIR": str(folder / "out/debug/build/forebay/out"), "CARGO_MANIFEST_DIR": str(ROOT / "host"),
    }  # fmt: skip
    return subprocess.run([build_script], env=env, capture_output=True, text=True)


def test_cargo_install_has_rustup_add_the_policies_target(build_script, tmp_path):
    done = build(build_script, tmp_path, f'[ "$*" = "target add wasm32-wasip2" ] && touch {tmp_path}/lib/libstd-1.rlib')
    assert done.returncode == 0, done.stderr
    assert "adding the target wasm32-wasip2 with rustup" in done.stdout
    assert (tmp_path / "out/debug/build/forebay/out/policies.rs").is_file()


def test_cargo_install_without_the_target_says_what_to_do(build_script, tmp_path):
    done = build(build_script, tmp_path, "echo 'error: no network' >&2; exit 1")
    assert done.returncode != 0
    for text in ("can't find crate for std", "no network", "rustup target add wasm32-wasip2", "FOREBAY_COMPONENTS=FOLDER"):
        assert text in done.stderr.replace("\\n", "\n"), done.stderr
