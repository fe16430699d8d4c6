"""The pipelines that `authproxy client-config` prints for GitHub and GitLab: read as YAML, and run line by line by sh."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

import pytest
import yaml

from authproxy.cli.clientlines import KEY
from tests.e2e.printed import Machine, printed
from tests.peers.packages import wheel
from tests.peers.proxy import Key, Proxy, proxy
from tests.peers.pypiserver import PypiServer, pypiserver

pytestmark = pytest.mark.e2e

# The forms that have a key.
FORMS = {"github": "workflow", "gitlab": "job"}
SERVICE = ("authproxy", "s3rvice-passw0rd")
POLICIES = {"release": {"allow": [{"actions": ["upload", "read"], "packages": ["acme-*"], "create": True}]}}

BACKEND = """\
import pathlib, shutil

def build_wheel(folder, config_settings=None, metadata_directory=None):
    return _copy(folder, "*.whl")

def build_sdist(folder, config_settings=None):
    return _copy(folder, "*.tar.gz")

def _copy(folder, pattern):
    [made] = pathlib.Path("made").glob(pattern)
    return pathlib.Path(shutil.copy(made, folder)).name
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """The proxy before an index that lets nobody in without its password, and a key."""

    proxy: Proxy
    index: PypiServer
    key: Key


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("pipelines")
    with (
        pypiserver(folder / "index", htpasswd=SERVICE, protect="update,list,download") as index,
        proxy(folder / "proxy", index.url, service=SERVICE, key_policies=POLICIES) as running,
    ):
        wheel("acme-known").write(index.packages)
        yield Scene(running, index, running.create_key())


def jobs_of(client: str, text: str) -> dict[str, tuple[dict[str, str], list[str]]]:
    """The jobs by name: the variables of each, its secrets as GitLab would write them, and its lines of shell."""
    document = yaml.safe_load(text)
    if client == "gitlab":
        return {name: (job["variables"], job["script"]) for name, job in document.items()}
    steps = {name: job["steps"] for name, job in document["jobs"].items()}
    for name in steps:
        assert [step["uses"].partition("@")[0] for step in steps[name][:2]] == [
            "actions/checkout",
            "actions/setup-python",
        ]
    secret = f"${{{{ secrets.{KEY} }}}}"
    return {
        name: (
            {k: v.replace(secret, f"${KEY}") for step in found for k, v in step.get("env", {}).items()},
            [step["run"] for step in found if "run" in step],
        )
        for name, found in steps.items()
    }


@pytest.mark.parametrize("client", ["github", "gitlab"])
@pytest.mark.parametrize("key", ["good", "bad"])
def test_a_pipeline_reads_and_uploads(scene: Scene, tmp_path: Path, client: str, key: str) -> None:
    """Each job's lines, run one after the other by sh with the job's variables, end well; with another key they do not."""
    here = Machine(tmp_path, f"acme-{client}-{key}", ())
    here.begin("backend", "")
    (here.project / "pyproject.toml").write_text(
        f'[project]\nname = "{here.name}"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (here.project / "backend.py").write_text(BACKEND)
    (here.project / "dist").rename(here.project / "made")
    (here.project / "requirements.txt").write_text("acme-known\n")
    jobs = jobs_of(client, printed(scene.proxy, here.home, client, FORMS[client], "both").text)
    assert list(jobs) == ["install", "upload"]
    text = scene.key.text if key == "good" else "apx_not_a_key"
    ends = {}
    for name, (variables, script) in jobs.items():
        env = {variable: Template(value).substitute({KEY: text}) for variable, value in variables.items()}
        # What is installed lands beside the project; build and twine are there, as in an image that was used before.
        env |= {"PIP_TARGET": str(here.home / "installed")} if name == "install" else {"PIP_NO_INDEX": "1"}
        ends[name] = here.sh("\n".join(script), **env)
    expected = {f"{here.stem}-1.0.tar.gz", f"{here.stem}-1.0-py3-none-any.whl"} if key == "good" else set()
    assert {name for name in scene.index.files() if name.startswith(here.stem)} == expected, ends["upload"].said
    assert (here.home / "installed" / "acme_known").is_dir() is (key == "good"), ends["install"].said
    assert [ran.code == 0 for ran in ends.values()] == [key == "good"] * 2, ends


@pytest.mark.parametrize("client", ["github", "gitlab"])
@pytest.mark.parametrize(("purpose", "names"), [("upload", ["upload"]), ("read", ["install"])])
def test_a_pipeline_has_the_jobs_that_are_wanted(
    scene: Scene, tmp_path: Path, client: str, purpose: str, names: list[str]
) -> None:
    """One purpose, one job, and the file is whole all the same."""
    assert list(jobs_of(client, printed(scene.proxy, tmp_path, client, FORMS[client], purpose).text)) == names
