"""Manifests: read as they lie there, or as kustomize makes them; and what a cluster would say of them, without one."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
BASE = FOLDER / "base"
OVERLAY = FOLDER / "overlays" / "replicas"

# From the first version in which a container may sleep before it ends (preStop) to the newest that is known.
VERSIONS = ("1.30", kubernetes_validate.latest_version())

Manifest = Mapping[str, Any]


def kustomize(folder: Path) -> list[dict[str, Any]]:
    """What would be applied. kubectl brings kustomize along, and neither asks a cluster for this."""
    program = (
        [shutil.which("kustomize"), "build"] if shutil.which("kustomize") else [shutil.which("kubectl"), "kustomize"]
    )
    if program[0] is None:
        pytest.skip("neither kustomize nor kubectl is installed")
    ran = subprocess.run([*program, str(folder)], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    return list(yaml.safe_load_all(ran.stdout))


def manifests(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every manifest in a folder that is no kustomization and no configuration of ours."""
    for path in sorted(folder.glob("*.yaml")):
        if path.name not in {"kustomization.yaml", "authproxy.yaml"}:
            yield path.name, yaml.safe_load(path.read_text(encoding="utf-8"))


def complaints(manifest: Manifest) -> list[str]:
    """What the schemas of Kubernetes say, strictly: no key that they do not know."""
    found = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(dict(manifest), version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{version}: {error.message}")
    return found


def unrestricted(pod: Manifest) -> list[str]:
    """What the Pod Security Standard `restricted` forbids or misses in a pod's spec, and a root that can be written to.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    found = [f"pod: {key}" for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]
    above = pod.get("securityContext", {})
    taken = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    found += [f"volume {each['name']}" for each in pod.get("volumes", []) if not set(each) - {"name"} <= taken]
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        own = {**above, **container.get("securityContext", {})}
        holds = {
            "runAsNonRoot": own.get("runAsNonRoot") is True,
            "runAsUser": own.get("runAsUser") != 0,
            "seccompProfile": own.get("seccompProfile", {}).get("type") in {"RuntimeDefault", "Localhost"},
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "privileged": not own.get("privileged"),
            "capabilities": own.get("capabilities", {}).get("drop") == ["ALL"] and not own["capabilities"].get("add"),
            "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
            "hostPort": not any("hostPort" in port for port in container.get("ports", [])),
        }
        found += [f"{container['name']}: {name}" for name, well in holds.items() if not well]
    return found
