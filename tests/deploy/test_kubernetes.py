"""The chart and the plain manifests: rendered by Helm's own code, held to Kubernetes' own schemas."""

import os
import pathlib
import subprocess
import tomllib

import helm_python
import kubernetes_validate
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy/kubernetes"
BINARY = pathlib.Path(os.environ.get("FOREBAY_BIN", ROOT / "target/release/forebay"))
# The oldest and the newest that are promised. `preStop` with `sleep` is on by default from 1.30 on.
KUBERNETES = ("1.30", "1.37")

# Not part of Kubernetes: the Prometheus operator's own kind.
FOREIGN = {"ServiceMonitor"}


def files(values=None):
    with helm_python.Chart.load(DEPLOY / "chart") as chart:
        return chart.render(values, name="forebay", namespace="inference")


def rendered(values=None):
    objects = [text for name, text in files(values).items() if name.endswith(".yaml")]
    return [one for text in objects for one in yaml.safe_load_all(text) if one]


def plain():
    return [one for file in sorted((DEPLOY / "plain").glob("*.yaml")) for one in yaml.safe_load_all(file.read_text()) if one]


def hold_to_schemas(objects):
    for one in objects:
        for version in KUBERNETES:
            if one["kind"] not in FOREIGN:
                kubernetes_validate.validate(one, version, strict=True)


def only(objects, kind):
    (found,) = [one for one in objects if one["kind"] == kind]
    return found


@pytest.fixture(params=["chart", "plain"])
def objects(request):
    return rendered({"serviceMonitor": {"enabled": True}}) if request.param == "chart" else plain()


def test_every_object_follows_its_schema(objects):
    hold_to_schemas(objects)


def test_all_that_is_promised_is_there(objects):
    kinds = {one["kind"] for one in objects}
    promised = {"ConfigMap", "Deployment", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount", "ServiceMonitor"}
    assert promised <= kinds


def test_the_notes_name_the_service_that_clients_reach():
    """Helm prints them after an install. Its library may leave them out of what it renders."""
    notes = [text for name, text in files({"service": {"port": 8000}}).items() if name.endswith("NOTES.txt")]
    for text in notes:
        assert "http://forebay.inference.svc:8000/v1" in text and "{{" not in text
    assert notes, "the notes are not rendered"


def test_selectors_find_the_pods(objects):
    pods = only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"].items()
    service = only(objects, "Service")["spec"]["selector"].items()
    budget = only(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"].items()
    policy = only(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items()
    assert service <= pods and budget <= pods and policy <= pods


def test_the_pod_is_confined(objects):
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 65532
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert pod["terminationGracePeriodSeconds"] > 30


def test_a_pod_goes_on_accepting_until_nobody_sends_it_anything(objects):
    """The image has no shell: the wait is Kubernetes' own, and all of the drain fits behind it."""
    pod = only(objects, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert list(container["lifecycle"]) == ["preStop"]
    assert list(container["lifecycle"]["preStop"]) == ["sleep"], "anything else needs a program in the image"
    wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = tomllib.loads(only(objects, "ConfigMap")["data"]["forebay.toml"]).get("server", {}).get("drain", "30s")
    assert wait >= 1
    assert pod["terminationGracePeriodSeconds"] >= wait + int(drain.removesuffix("s"))
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(only(objects, "Deployment"), "1.28", strict=True)


def test_its_configuration_is_good(objects, tmp_path):
    """`forebay check` reads it as the pod would, with keys and secrets in place."""
    text = only(objects, "ConfigMap")["data"]["forebay.toml"]
    keys = tmp_path / "keys.toml"
    subprocess.run([BINARY, "keys", "create", "--file", keys, "--tenant", "acme"], check=True, capture_output=True)
    file = tmp_path / "forebay.toml"
    file.write_text(text.replace("/etc/forebay/keys/keys.toml", str(keys)))
    secrets = {"FOREBAY_MASTER": "0" * 64, "FOREBAY_ADMIN_TOKEN": "0" * 64}
    checked = subprocess.run([BINARY, "check", "--config", file], env={**os.environ, **secrets}, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "warning" not in checked.stdout, checked.stdout


def test_a_fixed_number_of_replicas_has_no_autoscaler():
    objects = rendered({"autoscaling": {"enabled": False}, "replicas": 3})
    hold_to_schemas(objects)
    assert only(objects, "Deployment")["spec"]["replicas"] == 3
    assert "HorizontalPodAutoscaler" not in {one["kind"] for one in objects}


def test_a_misspelt_value_is_refused():
    with pytest.raises(helm_python.HelmError):
        rendered({"replicaz": 3})
