"""The alert rules and the dashboard, asked of a real Prometheus that reads a real gateway."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/python"))

from forebay import Gateway  # noqa: E402

ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
DASHBOARD = ROOT / "deploy/grafana/forebay.json"
START_LIMIT = 60


def program(name):
    found = shutil.which(name)
    if not found:
        pytest.fail(f"{name} is missing: cargo xtask setup brings it in")
    return found


def dashboard_queries():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def alert_queries():
    return [rule["expr"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def names(query):
    return set(re.findall(r"\b(?:forebay|gen_ai)_[a-z_]+(?=[{\[) ]|$)", query)) - {"gen_ai_token_type"}


def fetch(url, **parameters):
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(parameters)}" if parameters else url, timeout=20) as answer:
        return answer.read().decode()


def chat(gateway, **more):
    body = {"model": "forebay-sim", "temperature": 0, "max_tokens": 8, "messages": [{"role": "user", "content": "hello"}], **more}
    request = urllib.request.Request(f"{gateway.api}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


@pytest.fixture(scope="module")
def gateway():
    with Gateway('[[policies.guardrails.config.rules]]\nname = "mail"\nkind = "pii"\nentities = ["EMAIL"]\naction = "mask"\n') as gateway:
        chat(gateway)
        chat(gateway)
        chat(gateway, messages=[{"role": "user", "content": "write to ann@example.org"}])
        # Only streams have a first token that is seen.
        chat(gateway, stream=True, messages=[{"role": "user", "content": "hello, piece by piece"}])
        yield gateway


@pytest.fixture(scope="module")
def prometheus(gateway, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prometheus")
    target = gateway.admin.removeprefix("http://")
    (folder / "prometheus.yml").write_text(yaml.safe_dump({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [{"job_name": "forebay", "static_configs": [{"targets": [target]}]}],
    }))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "%s:%d" % free.getsockname()
    log = (folder / "log").open("w")
    server = subprocess.Popen(
        [program("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"],
        stdout=log, stderr=log,
    )
    try:
        end = time.monotonic() + START_LIMIT
        while True:
            try:
                scraped = json.loads(fetch(f"http://{address}/api/v1/query", query='count_over_time(up{job="forebay"}[1m]) >= 2'))
                if scraped["data"]["result"]:
                    break
            except OSError:
                pass
            assert server.poll() is None and time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.1)
        yield f"http://{address}"
    finally:
        server.terminate()
        server.wait(20)


def test_each_alert_fires_and_stays_silent():
    subprocess.run([program("promtool"), "test", "rules", ALERTS.with_name("alerts.test.yaml")], check=True)


def test_every_alert_is_tested():
    rules = [rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    for test in yaml.safe_load(ALERTS.with_name("alerts.test.yaml").read_text())["tests"]:
        assert [one["alertname"] for one in test["alert_rule_test"]] == rules


def test_every_metric_that_is_asked_for_exists(gateway):
    told = fetch(f"{gateway.admin}/metrics")
    exist = set(re.findall(r"^([a-z_]+)(?=[{ ])", told, re.MULTILINE))
    described = set(re.findall(r"^# TYPE ([a-z_]+)", told, re.MULTILINE))
    for query in dashboard_queries() + alert_queries():
        for name in names(query):
            stem = re.sub(r"_(total|bucket|sum|count)$", "", name)
            assert name in exist or stem in described, f"{name} of {query}"


def asked(query):
    """As Grafana asks: with its variables filled in."""
    return query.replace("$__rate_interval", "1m").replace("$instance", ".*")


@pytest.mark.parametrize("query", dashboard_queries() + alert_queries())
def test_prometheus_takes_every_query(prometheus, query):
    answer = json.loads(fetch(f"{prometheus}/api/v1/query", query=asked(query)))
    assert answer["status"] == "success"


@pytest.mark.parametrize("query", [query for query in dashboard_queries() if "errors" not in query])
def test_every_panel_shows_something(prometheus, query):
    answer = json.loads(fetch(f"{prometheus}/api/v1/query", query=asked(query)))
    assert answer["data"]["result"], query


def test_prometheus_has_loaded_the_rules(prometheus):
    groups = json.loads(fetch(f"{prometheus}/api/v1/rules"))["data"]["groups"]
    assert all(rule["health"] in ("ok", "unknown") for group in groups for rule in group["rules"])
    assert {rule["name"] for group in groups for rule in group["rules"]} >= {"ForebayDown", "ForebayServerErrors"}
