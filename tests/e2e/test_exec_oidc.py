"""`authproxy exec --oidc` with real clients that have no OIDC of their own: through a real proxy, and then burned."""

from collections.abc import Iterator

import pytest

from tests.e2e.indexes import FLAVOURS
from tests.e2e.printed import FLIT, HATCHLING, POETRY, Machine
from tests.e2e.trusted import Scene, on_github, on_gitlab, scene
from tests.peers.clients import Ran
from tests.peers.proxy import AUTHPROXY
from tests.peers.toolbox import Toolbox

pytestmark = pytest.mark.e2e

CLIENTS = {
    "twine": ("twine upload --non-interactive dist/*", HATCHLING),
    "poetry": ("poetry publish --no-interaction", POETRY),
    "flit": ("flit publish", FLIT),
    "hatch": ("hatch publish", HATCHLING),
}


@pytest.fixture(scope="module", params=FLAVOURS)
def here(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    server = request.getfixturevalue("devpi_server") if request.param == "devpi" else None
    with scene(request.param, tmp_path_factory.mktemp("exec-oidc"), server) as made:
        yield made


def run(here: Scene, machine: Machine, command: str, **env: str) -> Ran:
    return machine.sh(f"{' '.join(AUTHPROXY)} exec --oidc --url {here.url} -- {command}", **env)


def assert_burned(here: Scene, name: str) -> None:
    """Both files arrived by one minted key, which works no more."""
    rows = [row for row in here.stored() if row["project"] == name]
    assert [row["outcome"] for row in rows] == ["stored", "stored"]
    [key] = [each for each in here.proxy.rows("keys") if each["id"] in {row["key_id"] for row in rows}]
    assert (key["kind"], key["revoked"] is not None) == ("minted", True)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("ci", ["github", "gitlab"])
def test_a_client_without_oidc_publishes(here: Scene, tools: Toolbox, client: str, ci: str) -> None:
    """From either CI, over TLS, with no credential configured anywhere."""
    command, backend = CLIENTS[client]
    name = f"acme-{client}-exec-{ci}"
    machine = Machine(here.home / name, name, (tools.today,))
    machine.begin(*backend)
    ran = run(here, machine, command, **(on_github(here) if ci == "github" else on_gitlab(here)))
    assert ran.code == 0, ran.said
    assert_burned(here, name)


def test_devpi_client_publishes(here: Scene, tools: Toolbox) -> None:
    """Its login lasts as long as the key; only before devpi has it anything to upload to."""
    if not here.path:
        return
    name = "acme-devpi-client"
    machine = Machine(here.home / name, name, (tools.today,))
    machine.begin(*HATCHLING)
    ran = run(here, machine, "devpi upload dist/*", **on_github(here))
    assert ran.code == 0, ran.said
    assert_burned(here, name)


def test_a_client_that_fails_leaves_no_key(here: Scene) -> None:
    """A package that the publisher may not upload: the client shows why, and the key is burned all the same."""
    machine = here.machine("victim")
    before = {key["id"] for key in here.proxy.rows("keys")}
    ran = run(here, machine, "twine upload --non-interactive dist/*", **on_github(here))
    assert ran.code != 0
    assert "may not upload 'victim'" in " ".join(ran.said.split())
    [key] = [each for each in here.proxy.rows("keys") if each["id"] not in before]
    assert key["revoked"] is not None


def test_why_there_is_no_key(here: Scene) -> None:
    """The proxy's sentence and code, where the person looks whose job failed; the client has not run."""
    before = here.proxy.rows("keys")
    job = on_gitlab(here, project_path="acme/other", ci_config_ref_uri="127.0.0.1/acme/other//.gitlab-ci.yml@x")
    ran = run(here, here.machine("acme-nobody-exec"), "twine upload --non-interactive dist/*", **job)
    assert ran.code == 1
    assert "no trusted publisher takes this token" in ran.said
    assert "(invalid-publisher)" in ran.said
    assert "Uploading" not in ran.said
    assert here.proxy.rows("keys") == before
