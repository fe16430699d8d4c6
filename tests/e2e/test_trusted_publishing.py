"""Real `uv publish` and real pdm through audience, mint, upload and burn, over TLS, with no credential anywhere.

The CI is a local issuer over TLS; GitHub's way of handing a job its token and GitLab's are both taken. Before the proxy
stands TLS, behind it a real pypiserver or a real devpi.
"""

from collections.abc import Iterator

import pytest

from tests.e2e.indexes import FLAVOURS
from tests.e2e.printed import Machine
from tests.e2e.trusted import Scene, on_github, on_gitlab, scene
from tests.peers.clients import Client, Ran
from tests.peers.toolbox import Toolbox

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", params=FLAVOURS)
def here(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    server = request.getfixturevalue("devpi_server") if request.param == "devpi" else None
    with scene(request.param, tmp_path_factory.mktemp("publishing"), server) as made:
        yield made


def _uv(scene: Scene, machine: Machine, env: dict[str, str], *options: str) -> Ran:
    client = Client(machine.home)
    files = sorted((machine.project / "dist").iterdir())
    return client.run([client._uv(), "publish", "--no-config", "--publish-url", scene.url, *options, *files], **env)


def _pdm(scene: Scene, machine: Machine, tools: Toolbox, env: dict[str, str]) -> Ran:
    line = f"cd {machine.project} && {tools.today}/pdm publish --no-build --repository {scene.url}"
    return Client(machine.home).run(["sh", "-c", line], **env)


def _both_stored(scene: Scene, name: str, claim: str) -> None:
    rows = [row for row in scene.stored() if row["project"] == name]
    assert sorted(str(row["outcome"]) for row in rows) == ["stored", "stored"]
    for row in rows:
        assert isinstance(row["claims"], dict)
        assert row["claims"][claim] == "acme/core"
        assert row["key_id"] in {key["id"] for key in scene.proxy.rows("keys")}


def test_uv_publishes_from_github(here: Scene) -> None:
    """As it comes, it looks for trusted publishing by itself; afterwards it burns the key."""
    machine = here.machine("acme-uv-github")
    ran = _uv(here, machine, on_github(here))
    assert ran.code == 0, ran.said
    _both_stored(here, "acme-uv-github", "repository")
    [key] = [each for each in here.proxy.rows("keys") if each["id"] in {row["key_id"] for row in here.stored()}][-1:]
    assert key["revoked"] is not None, "this uv burns what it was given"


def test_uv_publishes_from_gitlab(here: Scene) -> None:
    """The token stands in a variable that is called after the audience."""
    ran = _uv(here, here.machine("acme-uv-gitlab"), on_gitlab(here), "--trusted-publishing", "always")
    assert ran.code == 0, ran.said
    _both_stored(here, "acme-uv-gitlab", "project_path")


@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_pdm_publishes(here: Scene, tools: Toolbox, ci: str) -> None:
    """pdm asks the host root as well, whatever the path of the upload URL."""
    env = on_github(here) if ci == "github" else on_gitlab(here)
    ran = _pdm(here, here.machine(f"acme-pdm-{ci}"), tools, env)
    assert ran.code == 0, ran.said
    _both_stored(here, f"acme-pdm-{ci}", "repository" if ci == "github" else "project_path")


def test_uv_shows_why_there_is_no_key(here: Scene) -> None:
    """The sentence and the code stand where the person looks whose job failed."""
    env = on_gitlab(here, project_path="acme/other", ci_config_ref_uri="127.0.0.1/acme/other//.gitlab-ci.yml@x")
    before = here.proxy.rows("keys"), here.proxy.rows("assertions")
    ran = _uv(here, here.machine("acme-nobody"), env, "--trusted-publishing", "always")
    assert ran.code != 0
    assert "invalid-publisher" in ran.said
    assert "no trusted publisher takes this token" in ran.said
    assert (here.proxy.rows("keys"), here.proxy.rows("assertions")) == before


def test_a_package_that_requires_it_takes_no_other_key(here: Scene) -> None:
    """Nothing else gets in: no key without a policy, and no anonymous upload."""
    ran = _uv(here, here.machine("acme-plain"), {"SSL_CERT_FILE": str(here.trust)}, "--trusted-publishing", "never")
    assert ran.code != 0
    assert not [row for row in here.proxy.rows("record") if row["project"] == "acme-plain"]
