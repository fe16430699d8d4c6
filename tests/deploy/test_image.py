"""The image: built from the Dockerfile without an engine, looked into, and run as an orchestrator would.

`make image` runs it, two minutes; it takes root, buildah and mmdebstrap, and is skipped where they are missing.
"""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from authproxy import __version__
from tests.deploy.buildah import Buildah, Container, need_buildah
from tests.peers.clients import Client
from tests.peers.packages import wheel
from tests.peers.ports import LOOPBACK, reserved_port, wait_until_open
from tests.peers.pypiserver import PypiServer, pypiserver

pytestmark = [pytest.mark.image, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
IMAGE = "localhost/authproxy:tried"
NUMBER = 10001
SERVICE = ("authproxy", "s3rvice-passw0rd")
PLANTED = "planted-here-and-never-to-be-seen-again"
# What lies about in a checkout in which somebody has tried things.
LEFTOVERS = (
    ".env",
    "authproxy.yaml",
    "backend-password",
    "state/spool",
    "authproxy/backend-password",
    "authproxy/authproxy.db",
)

CONFIG = """\
listen: 127.0.0.1:{port}
public_url: http://127.0.0.1:{port}/
backend: {{flavour: pypiserver, url: "{index}", username: authproxy, password: {{file: backend-password}}}}
store: sqlite:////var/lib/authproxy/authproxy.db
state_directory: /var/lib/authproxy
limits: {{spool_memory: 1KiB}}
key_policies: {{release: {{allow: [{{actions: [upload], packages: ["acme-*"], create: true}}]}}}}
packages: [{{match: "acme-*"}}]
"""


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    need_buildah()
    folder = tmp_path_factory.mktemp("buildah")
    yield Buildah(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(buildah: Buildah, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Built from a copy of the checkout in which secrets lie about."""
    context = tmp_path_factory.mktemp("context")
    for name in ("pyproject.toml", "README.md", "LICENSE", "Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, context)
    shutil.copytree(ROOT / "authproxy", context / "authproxy")
    for name in LEFTOVERS:
        (context / name).parent.mkdir(exist_ok=True)
        (context / name).write_text(PLANTED, encoding="utf-8")
    [base] = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)
    buildah.make_base(base)
    buildah.build(context, IMAGE, {"VERSION": __version__, "REVISION": "0" * 40, "CREATED": "2027-01-01T00:00:00Z"})
    return IMAGE


def test_what_the_image_says_of_itself(buildah: Buildah, image: str) -> None:
    """A number for the user, the program without a shell, a volume, and a health check by the program itself."""
    told = buildah.settings(image)
    assert told["User"] == f"{NUMBER}:{NUMBER}"
    assert (told["Entrypoint"], told["Cmd"]) == (["authproxy"], ["serve"])
    assert list(told["Volumes"]) == ["/var/lib/authproxy"]
    assert list(told["ExposedPorts"]) == ["8080/tcp"]
    assert told["Healthcheck"]["Test"] == ["CMD", "authproxy", "probe", "http://127.0.0.1:8080/"]


def test_the_labels_are_filled_in(buildah: Buildah, image: str) -> None:
    """OCI's labels, with what the build was told."""
    labels = {name.rpartition(".image.")[2]: value for name, value in buildah.settings(image)["Labels"].items()}
    assert labels["version"] == __version__
    assert labels["revision"] == "0" * 40
    assert labels["created"] == "2027-01-01T00:00:00Z"
    assert labels["licenses"] == "MIT"
    assert "unknown" not in labels.values()


def files_of(root: Path) -> dict[str, os.stat_result]:
    return {
        str(Path(folder, name).relative_to(root)): Path(folder, name).lstat()
        for folder, _, names in os.walk(root)
        for name in names
    }


def test_nothing_comes_into_it_but_the_program(buildah: Buildah, image: str) -> None:
    """No file beside the base's own but the environment, in which there is no pip; none of them may change its user."""
    [base] = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)
    with buildah.container(image) as made, buildah.container(base) as below:
        known = set(files_of(below.root))
        added = {name: found for name, found in files_of(made.root).items() if name not in known}
    assert {name.split("/authproxy/")[0] for name in added} == {"opt"}
    assert not [
        name for name in added if "/site-packages/pip/" in name or "/tests/" in name.partition("site-packages")[0]
    ]
    assert not [
        name
        for name, found in added.items()
        if found.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH) and not stat.S_ISLNK(found.st_mode)
    ]
    assert {(found.st_uid, found.st_gid) for found in added.values()} == {(0, 0)}


def test_no_secret_comes_into_it(buildah: Buildah, image: str) -> None:
    """What lay about in the checkout is in no file of it, nor in what its layers tell."""
    assert PLANTED not in str(buildah.history(image))
    with buildah.container(image) as made:
        found = [name for name in files_of(made.root) if Path(name).name in {Path(each).name for each in LEFTOVERS}]
        ours = [path for path in (made.root / "opt").rglob("*") if path.is_file() and not path.is_symlink()]
        seen = [path for path in ours if PLANTED.encode() in path.read_bytes()]
    assert (found, seen) == ([], [])
    assert len(ours) > 1000


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PypiServer]:
    """A pypiserver outside."""
    with pypiserver(tmp_path_factory.mktemp("index") / "index", htpasswd=SERVICE) as running:
        yield running


@pytest.fixture(scope="module")
def port() -> int:
    return reserved_port()


@pytest.fixture(scope="module")
def container(
    buildah: Buildah, image: str, index: PypiServer, port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Container]:
    """A container with its configuration and its volume, and nothing else that it may write to."""
    folder = tmp_path_factory.mktemp("mounted")
    config, state = folder / "config", folder / "state"
    config.mkdir()
    state.mkdir()
    (config / "authproxy.yaml").write_text(CONFIG.format(port=port, index=index.url), encoding="utf-8")
    (config / "backend-password").write_text(SERVICE[1], encoding="utf-8")
    (config / "backend-password").chmod(0o400)
    os.chown(config / "backend-password", NUMBER, NUMBER)
    os.chown(state, 0, NUMBER)  # root's, and the group's: as Kubernetes makes a volume for fsGroup
    state.chmod(0o2770)
    with buildah.container(image, {config: "/etc/authproxy:ro", state: "/var/lib/authproxy"}) as made:
        yield made


def test_it_serves_and_takes_an_upload(
    container: Container, buildah: Buildah, image: str, index: PypiServer, port: int, tmp_path: Path
) -> None:
    """The image's own command, by its number, on a root that cannot be written to: up to a wheel in the index outside."""
    told = buildah.settings(image)
    assert container.run("authproxy", "db", "migrate").code == 0
    with container.running(*told["Entrypoint"], *told["Cmd"], log=tmp_path / "log") as pid:
        wait_until_open((LOOPBACK, port), lambda: Path(f"/proc/{pid}").exists())
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
        )
        assert set(status["Uid"].split()) | set(status["Gid"].split()) == {str(NUMBER)}
        assert int(status["CapEff"], 16) == 0

        check = [word.replace("8080", str(port)) for word in told["Healthcheck"]["Test"][1:]]
        assert container.run(*check).code == 0
        assert container.run(*check[:2], "--ready").said == "ready\n"

        made = container.run("authproxy", "key", "create", "--policy", "release", "--owner", "ci@acme")
        assert made.code == 0, made.said
        [key] = re.findall(r"apx_\w+", made.said)
        package = wheel("acme-core", payload=os.urandom(100_000))  # more than is held in memory
        sent = Client(tmp_path).twine(f"http://{LOOPBACK}:{port}/", key, package.write(tmp_path))
        assert sent.code == 0, sent.said
        assert index.files()[package.filename] == package.content
    said = (tmp_path / "log").read_text(encoding="utf-8")
    assert "draining" in said
    assert "Traceback" not in said
    assert SERVICE[1] not in said
    assert container.run(*check).code == 1  # control: it says so when nobody serves


def test_it_can_write_to_its_volume_alone(container: Container) -> None:
    """The test above would have failed in a container that writes elsewhere: nothing else takes a byte."""
    script = (
        "import os\n"
        "for place in ('/', '/tmp', '/var/tmp', '/opt/authproxy', '/etc/authproxy', '/run', '/var/lib/authproxy'):\n"
        "    try: os.close(os.open(place + '/x', os.O_CREAT | os.O_WRONLY)); print(place); os.unlink(place + '/x')\n"
        "    except OSError: pass\n"
    )
    assert container.run("python", "-c", script).said == "/var/lib/authproxy\n"


@pytest.mark.parametrize(
    ("context", "dockerfile", "command"),
    [
        pytest.param("pypiserver", "index.Dockerfile", ["/opt/index/bin/pypi-server", "--version"], id="pypiserver"),
        pytest.param("devpi/index", "Dockerfile", ["devpi-server", "--version"], id="devpi"),
    ],
)
def test_the_indexes_of_compose_are_built_too(
    buildah: Buildah, image: str, context: str, dockerfile: str, command: list[str]
) -> None:
    """On the same base, and what is in them starts on a root that cannot be written to."""
    assert image
    folder = ROOT / "deploy" / "compose" / context
    buildah.build(folder, "localhost/index:tried", dockerfile=dockerfile)
    with buildah.container("localhost/index:tried") as made:
        ran = made.run(*command)
        assert ran.code == 0, ran.said
        assert re.search(r"\d+\.\d+\.\d+", ran.said)
        assert made.run("id", "-u").said == "10002\n"
