"""README, docs and deploy: every snippet is parsed, configurations are checked by the program, links lead somewhere."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tomllib

import pytest
import yaml

from edges import COMPONENTS
from forebay import BINARY, ROOT, Gateway

TOP = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "tests/README.md")]
PAGES = [*TOP, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").glob("*/README.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Rows of the catalogue rather than sections of forebay.toml.
CATALOGUE = {"offer", "model", "seller", "aliases"}
# Sections of other programs' files: Codex's, a Spin app's manifest and its runtime's configuration.
FOREIGN = {"model_providers", "component", "key_value_store"}


def snippets(*languages):
    for page in PAGES:
        for position, (language, text) in enumerate(BLOCK.findall(page.read_text())):
            if language in languages:
                yield pytest.param(text, id=f"{page.relative_to(ROOT)}-{position}")


def check(text, folder):
    """What `forebay check` says of a configuration whose secrets and files are there."""
    file = folder / "forebay.toml"
    file.write_text(text)
    if "keys.toml" in text:
        # An empty file is not a keys file.
        (folder / "keys.toml").unlink(missing_ok=True)
        create = [BINARY, "keys", "create", "--file", folder / "keys.toml", "--tenant", "acme"]
        subprocess.run(create, check=True, capture_output=True)
    secrets = {name: "http://127.0.0.1:9" if "UPSTREAM" in name or "URL" in name else "a-value-for-a-test" for name in re.findall(r'"env:(\w+)"', text)}
    return subprocess.run([BINARY, "check", "--config", file], env={**os.environ, **secrets}, capture_output=True, text=True)


def with_component(text, folder):
    """The component that a configuration names, signed as it asks, with the page's name of the key."""
    for name in re.findall(r'^component = "([\w.-]+)"', text, re.MULTILINE):
        shutil.copy(COMPONENTS / "guardrails.wasm", folder / name)
        for key in re.findall(r'"([\w-]+)\.pub"', text):
            for words in (["keygen", key], ["sign", name, "--key", f"{key}.key", "--policy", "guardrails", "--version", "3"]):
                subprocess.run([BINARY, "policies", *words], cwd=folder, check=True, capture_output=True)


# test_provider_pages.py checks the pages of providers, with credentials.
@pytest.mark.parametrize("text", [it for it in snippets("toml") if not it.id.startswith("docs/providers/")])
def test_toml_is_toml_and_configurations_are_good(text, tmp_path):
    read = tomllib.loads(text)
    if set(read) & FOREIGN:
        return
    if set(read) & CATALOGUE:
        (tmp_path / "mine.toml").write_text(text)
        done = subprocess.run([BINARY, "catalogue", "check", "mine.toml"], cwd=tmp_path, capture_output=True, text=True)
    else:
        with_component(text, tmp_path)
        done = check(text, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", list(snippets("python")))
def test_python_compiles(text):
    compile(text, "snippet", "exec")


@pytest.mark.parametrize("text", list(snippets("yaml")))
def test_yaml_is_yaml(text):
    assert yaml.safe_load(text)


@pytest.mark.parametrize("text", list(snippets("js")))
def test_javascript_is_javascript(text, tmp_path):
    (tmp_path / "snippet.mjs").write_text(text)
    subprocess.run(["node", "--check", tmp_path / "snippet.mjs"], check=True)


@pytest.mark.parametrize("text", list(snippets("rust")))
def test_rust_is_rust(text):
    subprocess.run(["rustfmt", "--edition", "2024"], input=text, text=True, check=True, capture_output=True)


def test_every_language_has_its_test():
    languages = {language for page in PAGES for language, _ in BLOCK.findall(page.read_text())}
    # `text` is what a command prints.
    assert languages - {"text"} == {"toml", "python", "console", "yaml", "js", "rust"}


def lines(text):
    """The commands of a console block, continued lines joined."""
    joined = text.replace("\\\n", " ")
    return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("text", list(snippets("console", "sh", "bash")))
def test_commands_are_sound_shell_and_exist(text):
    for line in lines(text):
        subprocess.run(["sh", "-n", "-c", line], check=True)
        words = shlex.split(line, comments=True)
        if words[0].endswith("forebay") and len(words) > 1 and not words[1].startswith("-"):
            helped = subprocess.run([BINARY, words[1], "--help"], capture_output=True, text=True)
            assert helped.returncode == 0, line
            for option in [word.split("=")[0] for word in words if word.startswith("--")]:
                deeper = subprocess.run([BINARY, *[w for w in words[1:3] if re.fullmatch(r"[a-z-]+", w) and not w.startswith("-")], "--help"], capture_output=True, text=True)
                assert option in helped.stdout + deeper.stdout, f"{option} of {line}"


def test_the_readmes_request_is_a_hit_the_second_time(tmp_path):
    (line,) = [line for line in lines(README_COMMANDS) if line.startswith("curl -i")]
    with Gateway((ROOT / "forebay.toml").read_text()) as gateway:
        words = shlex.split(line.replace("http://127.0.0.1:8080", gateway.url))
        answers = [subprocess.run(["curl", "-sS", *words[1:]], capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert "ann@example.org" in answers[0] or "200" in answers[0]
    assert "cache-status: forebay; hit" in answers[1].lower()


README_COMMANDS = "\n".join(text for language, text in BLOCK.findall((ROOT / "README.md").read_text()) if language == "console")


def test_without_a_file_the_shipped_rules_apply_from_any_folder(tmp_path):
    started = subprocess.Popen(
        [BINARY, "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
        cwd=tmp_path, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    try:
        url = None
        for said in started.stdout:
            if found := re.match(r"forebay listening on (\S+)", said):
                url = found.group(1)
            if said.startswith("forebay guardrails: "):
                break
        assert "secrets (deny)" in said and "personal-data (mask)" in said
        body = {"model": "forebay-sim", "messages": [{"role": "user", "content": "my key is AKIAIOSFODNN7EXAMPLA and ghp_16C7e42F292c6912E7710c838347Ae178B4a"}]}
        words = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", f"{url}/v1/chat/completions", "-H", "content-type: application/json", "-d", json.dumps(body)]
        assert subprocess.run(words, capture_output=True, text=True, check=True).stdout in ("400", "403", "422")
    finally:
        started.terminate()
        started.wait(45)


@pytest.mark.parametrize("file", ["forebay.toml", "deploy/edge/forebay.toml"])
def test_shipped_configurations_are_good_and_so_are_their_commented_parts(file, tmp_path):
    text = (ROOT / file).read_text()
    assert check(text, tmp_path).returncode == 0
    # Commented settings are what a reader takes out of comments: each has to be TOML.
    for block in re.findall(r"(?:^# ?(?:\[|\w+ = ).*\n)+", text, re.MULTILINE):
        tomllib.loads("\n".join(line.removeprefix("#").strip() for line in block.splitlines()))


def anchors(page):
    """The anchors of a page's headings, as mdBook and GitHub name them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    named = (heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    return {"".join(c for c in name if c.isalnum() or c in "-_") for name in named}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file = page.parent / target if target else page
        assert file.exists(), f"{target} in {page}"
        assert not anchor or anchor in anchors(file), f"{target}#{anchor} in {page}"


def test_the_book_has_every_page():
    listed = set(re.findall(r"\(([\w./-]+\.md)\)", (ROOT / "docs/SUMMARY.md").read_text()))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} - {"SUMMARY.md"}
    assert listed == pages
