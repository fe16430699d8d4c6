"""What `authproxy client-config` prints works: taken to the letter, the key put into its variable, the real client run.

The index behind the proxy asks for its password for everything, so whatever gets through came with the key.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from authproxy.cli.clientlines import KEY
from tests.e2e.printed import FLIT, HATCHLING, POETRY, Machine, printed
from tests.peers.devpi import SERVICE as USER
from tests.peers.devpi import SERVICE_PASSWORD as PASSWORD
from tests.peers.devpi import Devpi, devpi
from tests.peers.packages import wheel
from tests.peers.proxy import Key, Proxy, proxy
from tests.peers.pypiserver import PypiServer, pypiserver

pytestmark = pytest.mark.e2e

SERVICE = ("authproxy", "s3rvice-passw0rd")
POLICIES = {"release": {"allow": [{"actions": ["upload", "read"], "packages": ["acme-*"], "create": True}]}}
KNOWN = wheel("acme-known")  # what the index has from the start


@dataclass(frozen=True, slots=True)
class Scene:
    """The proxy before an index that lets nobody in without its password, and a key."""

    proxy: Proxy
    index: PypiServer
    key: Key


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("client-config")
    patient = {"failures": 10_000}  # every client is tried with a wrong key first
    with (
        pypiserver(folder / "index", htpasswd=SERVICE, protect="update,list,download") as index,
        proxy(folder / "proxy", index.url, service=SERVICE, key_policies=POLICIES, throttle=patient) as running,
    ):
        KNOWN.write(index.packages)
        yield Scene(running, index, running.create_key())


@pytest.fixture
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Machine]:
    """A machine that has the client; its project is of a name that no other test uses."""

    def make(client: str) -> Machine:
        name = "acme-" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
        apart = client in {"poetry", "flit", "hatch", "pdm"}
        return Machine(tmp_path, name, (request.getfixturevalue("tools").today,) if apart else ())

    return make


# How each is called, where the text itself does not call it, and by which backend its project is built.
UPLOADS = [
    pytest.param("twine", "pypirc", "", HATCHLING, id="twine, .pypirc"),
    pytest.param("twine", "env", "twine upload dist/*", HATCHLING, id="twine, environment"),
    pytest.param("uv", "env", "uv publish", HATCHLING, id="uv, environment"),
    pytest.param("uv", "pyproject", "", HATCHLING, id="uv, pyproject.toml"),
    pytest.param(
        "poetry", "config", "poetry publish --no-interaction --repository authproxy", POETRY, id="poetry, config"
    ),
    pytest.param(
        "poetry", "env", "poetry publish --no-interaction --repository authproxy", POETRY, id="poetry, environment"
    ),
    pytest.param("flit", "env", "flit publish", FLIT, id="flit, environment"),
    pytest.param("flit", "pypirc", "", FLIT, id="flit, .pypirc"),
    pytest.param("hatch", "env", "hatch publish", HATCHLING, id="hatch, environment"),
    pytest.param("hatch", "config", "", HATCHLING, id="hatch, config.toml"),
    pytest.param("pdm", "env", "pdm publish --no-build", HATCHLING, id="pdm, environment"),
    pytest.param("pdm", "config", "pdm publish --no-build --repository authproxy", HATCHLING, id="pdm, config"),
]

PIP = "python -m pip download --quiet --no-deps --dest got acme-known"
UV = "uv pip install --quiet --no-deps --no-cache --target got acme-known"
READS = [
    pytest.param("pip", "conf", PIP, "got/*.whl", id="pip, pip.conf"),
    pytest.param("pip", "env", PIP, "got/*.whl", id="pip, environment"),
    pytest.param("pip", "netrc", f"{PIP} --index-url <simple>", "got/*.whl", id="pip, .netrc"),
    pytest.param("uv", "env", UV, "got/acme_known", id="uv, environment"),
    pytest.param("uv", "pyproject", UV, "got/acme_known", id="uv, pyproject.toml"),
    pytest.param("uv", "netrc", f"{UV} --default-index <simple>", "got/acme_known", id="uv, .netrc"),
    pytest.param(
        "poetry",
        "config",
        "poetry add --no-interaction --lock --source authproxy acme-known",
        "poetry.lock",
        id="poetry",
    ),
    pytest.param("pdm", "env", "pdm add --no-sync acme-known", "pdm.lock", id="pdm, environment"),
    pytest.param("pdm", "config", "pdm add --no-sync acme-known", "pdm.lock", id="pdm, config"),
]


@pytest.mark.parametrize(("client", "form", "command", "backend"), UPLOADS)
def test_what_is_printed_uploads(
    scene: Scene,
    machine: Callable[[str], Machine],
    client: str,
    form: str,
    command: str,
    backend: tuple[str, str],
) -> None:
    """With a key that is none nothing arrives; with the key, and nothing else changed, the files do."""
    here = machine(client)
    here.begin(*backend)
    made = printed(scene.proxy, here.home, client, form, "upload")
    here.settle(made)
    script = f"{made.shell}\n{command}"
    refused = here.sh(script, **{KEY: "apx_not_a_key"})
    assert refused.code != 0, refused.said
    assert not [name for name in scene.index.files() if name.startswith(here.stem)]
    ran = here.sh(script, **{KEY: scene.key.text})
    assert ran.code == 0, ran.said
    assert {f"{here.stem}-1.0.tar.gz", f"{here.stem}-1.0-py3-none-any.whl"} <= set(scene.index.files())
    assert scene.key.text not in made.text


@pytest.mark.parametrize(("client", "form", "command", "wanted"), READS)
def test_what_is_printed_reads(
    scene: Scene,
    machine: Callable[[str], Machine],
    client: str,
    form: str,
    command: str,
    wanted: str,
) -> None:
    """With a key that is none nothing is read; with the key, and nothing else changed, the package is."""
    here = machine(client)
    here.begin(*HATCHLING)
    made = printed(scene.proxy, here.home, client, form, "read")
    here.settle(made)
    script = f"{made.shell}\n{command}".replace("<simple>", f"{scene.proxy.url}simple/")
    refused = here.sh(script, **{KEY: "apx_not_a_key"})
    assert refused.code != 0, refused.said
    (here.home / ".netrc").unlink(missing_ok=True)  # or the wrong key would stand before the right one
    before, _, _ = (here.project / "pyproject.toml").read_text().partition("[[tool.poetry")
    (here.project / "pyproject.toml").write_text(before)
    ran = here.sh(script, **{KEY: scene.key.text})
    assert ran.code == 0, ran.said
    [found] = here.project.glob(wanted)
    assert found.is_dir() or KNOWN.sha256 in found.read_text(errors="replace") or found.read_bytes() == KNOWN.content


@pytest.fixture(scope="module")
def before_devpi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Devpi, Key]]:
    """The proxy before one index of a devpi, where reading takes a key."""
    folder = tmp_path_factory.mktemp("client-config-devpi")
    cheap = ("--argon2-time-cost", "1", "--argon2-memory-cost", "8", "--argon2-parallelism", "1")
    with devpi(folder / "devpi", *cheap) as index:
        backend = {
            "flavour": "devpi",
            "url": index.url,
            "indexes": [index.new_index()],
            "username": USER,
            "password": {"file": "backend-password"},
        }
        settings = {"backend": backend, "reads": "key", "key_policies": POLICIES, "throttle": {"failures": 10_000}}
        with proxy(folder / "proxy", index.url, service=(USER, PASSWORD), **settings) as running:
            yield running, index, running.create_key()


@pytest.mark.parametrize(
    ("uploads", "reads"),
    [
        pytest.param(("twine", "pypirc", ""), ("pip", "conf", PIP), id="twine and pip"),
        pytest.param(("uv", "env", "uv publish"), ("uv", "env", UV), id="uv, environment"),
        pytest.param(("uv", "pyproject", ""), ("uv", "pyproject", UV), id="uv, pyproject.toml"),
    ],
)
def test_what_is_printed_works_before_devpi(
    before_devpi: tuple[Proxy, Devpi, Key],
    machine: Callable[[str], Machine],
    uploads: tuple[str, str, str],
    reads: tuple[str, str, str],
) -> None:
    """What one client has uploaded to the index is what the other reads from it; neither does with another key."""
    running, index, key = before_devpi
    here = machine(uploads[0])
    here.begin(*HATCHLING)
    for (client, form, command), purpose in ((uploads, "upload"), (reads, "read")):
        made = printed(running, here.home, client, form, purpose)
        start = (here.project / "pyproject.toml").read_text()
        here.settle(made)
        script = f"{made.shell}\n{command}".replace("acme-known", here.name)
        refused = here.sh(script, **{KEY: "apx_not_a_key"})
        assert refused.code != 0, refused.said
        (here.home / ".netrc").unlink(missing_ok=True)
        ran = here.sh(script, **{KEY: key.text})
        assert ran.code == 0, ran.said
        (here.project / "pyproject.toml").write_text(start)
        (here.home / "printed").unlink()
    [name] = index.result("GET", "/team")["indexes"]
    assert set(index.releases(f"team/{name}", here.name)) == {"1.0"}
