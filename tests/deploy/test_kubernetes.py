"""The manifests: Kubernetes' schemas, the strictest of its security standards, and what the image and the config say."""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from authproxy.config import Address, load
from tests.deploy.kubernetes import BASE, OVERLAY, ROOT, complaints, kustomize, manifests, unrestricted
from tests.peers.clients import Client
from tests.peers.proxy import AUTHPROXY

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")

each_folder = pytest.mark.parametrize("folder", [BASE, OVERLAY], ids=lambda folder: folder.name)


def applied(folder: Path, kind: str) -> dict[str, Any]:
    [found] = [each for each in kustomize(folder) if each["kind"] == kind]
    return found


def pod(folder: Path) -> dict[str, Any]:
    return applied(folder, "Deployment")["spec"]["template"]["spec"]


@each_folder
def test_kubernetes_would_take_what_is_applied(folder: Path) -> None:
    """Every manifest that kustomize makes, strictly, in the oldest version and in the newest."""
    assert [said for manifest in kustomize(folder) for said in complaints(manifest)] == []


def test_the_base_is_whole_without_kustomize() -> None:
    """The files themselves hold too, but for the selector that kustomize fills in: this needs no program."""
    for _, manifest in manifests(BASE):
        if manifest["kind"] == "Deployment":
            labels = {"app.kubernetes.io/name": "authproxy"}
            manifest["spec"]["selector"] = {"matchLabels": labels}
            manifest["spec"]["template"]["metadata"] = {"labels": labels}
        assert complaints(manifest) == []


@pytest.mark.parametrize(
    ("path", "key"),
    [
        pytest.param(("securityContext",), "runAsNonroot", id="a misspelt key of the pod"),
        pytest.param(("containers", 0, "securityContext"), "readOnlyRootFilesytem", id="a misspelt key of a container"),
        pytest.param(("containers", 0, "livenessProbe"), "httpget", id="a misspelt probe"),
    ],
)
def test_control_a_misspelt_key_is_seen(path: tuple[str | int, ...], key: str) -> None:
    """What the test of what is applied would say."""
    wrong = applied(OVERLAY, "Deployment")
    place = wrong["spec"]["template"]["spec"]
    for step in path:
        place = place[step]
    place[key] = True
    assert any(key in said for said in complaints(wrong))


@each_folder
def test_the_pods_are_restricted(folder: Path) -> None:
    """Nothing that the standard `restricted` forbids, and a root that cannot be written to; the cluster gives no token."""
    assert unrestricted(pod(folder)) == []
    assert pod(folder)["automountServiceAccountToken"] is False


def loosen(change: Callable[[dict[str, Any]], object]) -> list[str]:
    loose = copy.deepcopy(pod(OVERLAY))
    change(loose)
    return unrestricted(loose)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda pod: pod["securityContext"].pop("runAsNonRoot"), "runAsNonRoot"),
        (lambda pod: pod["securityContext"].pop("seccompProfile"), "seccompProfile"),
        (lambda pod: pod["containers"][0].pop("securityContext"), "capabilities"),
        (lambda pod: pod["initContainers"][0]["securityContext"].update(runAsUser=0), "migrate: runAsUser"),
        (lambda pod: pod["volumes"].append({"name": "host", "hostPath": {"path": "/"}}), "volume host"),
        (lambda pod: pod.update(hostNetwork=True), "hostNetwork"),
    ],
    ids=[
        "root",
        "no seccomp",
        "a container of no context",
        "root in the first container",
        "a path of the node",
        "its network",
    ],
)
def test_control_a_loosened_pod_is_seen(change: Callable[[dict[str, Any]], object], said: str) -> None:
    """What the test above would say of each."""
    assert any(said in each for each in loosen(change))


@each_folder
def test_it_is_the_image_that_is_run(folder: Path) -> None:
    """The number, the ports and the paths of the manifests are those of the Dockerfile and of the configuration."""
    found = pod(folder)
    config = load(folder / "authproxy.yaml", secrets=False)
    [main] = found["containers"]
    user, group = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)[-1]
    context = found["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (int(user), int(group), int(group))
    assert isinstance(config.listen, Address)
    assert config.metrics is not None
    ports = {each["name"]: each["containerPort"] for each in main["ports"]}
    assert ports == {"http": config.listen.port, "metrics": config.metrics.port}
    mounted = {each["name"]: each["mountPath"] for each in main["volumeMounts"]}
    assert f"{mounted['config']}/authproxy.yaml" in DOCKERFILE
    assert f"VOLUME {mounted['state']}\n" in DOCKERFILE
    assert str(config.state_directory) == mounted["state"]
    assert found["terminationGracePeriodSeconds"] > config.limits.upload_deadline


@each_folder
def test_its_probes_are_pages_of_the_program(folder: Path) -> None:
    """A restart mends no store and no index; a pod that cannot take an upload gets none."""
    [main] = pod(folder)["containers"]
    assert main["startupProbe"]["httpGet"] == main["livenessProbe"]["httpGet"] == {"path": "/-/healthz", "port": "http"}
    assert main["readinessProbe"]["httpGet"] == {"path": "/-/readyz", "port": "http"}


@each_folder
def test_its_commands_can_be_typed(folder: Path, tmp_path: Path) -> None:
    """What the containers are started with are commands of the program."""
    for container in [*pod(folder)["containers"], *pod(folder)["initContainers"]]:
        ran = Client(tmp_path).run([*AUTHPROXY, *container["args"], "--help"])
        assert ran.code == 0, ran.said


@each_folder
def test_the_secrets_are_mounted_and_nowhere_else(folder: Path) -> None:
    """Not in the environment, not in the manifests; the configuration finds them where they are mounted."""
    found, text = pod(folder), (folder / "authproxy.yaml").read_text(encoding="utf-8")
    assert not [each for each in [*found["containers"], *found["initContainers"]] if "env" in each or "envFrom" in each]
    assert not [each for each in kustomize(folder) if each["kind"] == "Secret"]
    [mount] = [each for each in found["containers"][0]["volumeMounts"] if each["name"] == "secrets"]
    named = re.findall(r"password: \{file: (\S+)\}", text)
    assert named
    assert all(each.startswith(f"{mount['mountPath']}/") for each in named)
    [volume] = [each for each in found["volumes"] if each["name"] == "secrets"]
    assert volume["secret"]["defaultMode"] & 0o007 == 0


def test_three_replicas_share_a_database() -> None:
    """A PostgreSQL by its URL without a password, a budget for drains, and nothing that one pod alone could mount."""
    deployment, budget = applied(OVERLAY, "Deployment")["spec"], applied(OVERLAY, "PodDisruptionBudget")["spec"]
    assert deployment["replicas"] == 3
    assert deployment["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert budget["minAvailable"] < deployment["replicas"]
    assert budget["selector"] == deployment["selector"]
    assert load(OVERLAY / "authproxy.yaml", secrets=False).store.startswith("postgresql://authproxy@")
    assert not [each for each in kustomize(OVERLAY) if each["kind"] == "PersistentVolumeClaim"]
    assert [set(each) for each in pod(OVERLAY)["volumes"] if each["name"] == "state"] == [{"name", "emptyDir"}]


def test_one_replica_has_a_disk() -> None:
    """SQLite's file is on a disk of one node, and two pods never have it open together."""
    deployment, claim = applied(BASE, "Deployment")["spec"], applied(BASE, "PersistentVolumeClaim")["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert claim["accessModes"] == ["ReadWriteOncePod"]
    assert load(BASE / "authproxy.yaml", secrets=False).store.startswith("sqlite:///")


def named(manifest: dict[str, Any]) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def targets(folder: Path) -> set[tuple[str, str]]:
    """What the patches of a kustomization change."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    patches = kustomization.get("patches", [])
    texts = [
        (folder / each["path"]).read_text(encoding="utf-8") if "path" in each else each["patch"] for each in patches
    ]
    return {named(yaml.safe_load(text)) for text in texts}


def test_what_the_overlay_changes_exists() -> None:
    """Each patch and each count has its target in the base; the image that is renamed is the one that is run."""
    there = {named(manifest) for _, manifest in manifests(BASE)}
    assert targets(OVERLAY) <= there
    kustomization = yaml.safe_load((OVERLAY / "kustomization.yaml").read_text(encoding="utf-8"))
    assert {("Deployment", each["name"]) for each in kustomization["replicas"]} <= there
    [deployment] = [manifest for _, manifest in manifests(BASE) if manifest["kind"] == "Deployment"]
    spec = deployment["spec"]["template"]["spec"]
    images = {each["image"] for each in [*spec["containers"], *spec["initContainers"]]}
    assert {each["name"] for each in kustomization["images"]} == images


def test_what_is_listed_is_there() -> None:
    """Every file of the two folders is named by its kustomization, and every name is a file."""
    for folder in (BASE, OVERLAY):
        text = (folder / "kustomization.yaml").read_text(encoding="utf-8")
        for path in folder.glob("*.yaml"):
            assert path.name == "kustomization.yaml" or path.name in text, path
        for name in re.findall(r"^\s+- (?:path: )?(\S+\.yaml)$", text, re.MULTILINE):
            assert (folder / name).is_file(), name
