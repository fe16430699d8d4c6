"""The jobs that `client-config` prints for CIs that are trusted: read as YAML, and their lines run by sh, without a key."""

import os
from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.printed import Machine, printed
from tests.e2e.test_client_pipelines import BACKEND
from tests.e2e.trusted import AUDIENCE, Scene, on_github, on_gitlab, scene

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene("pypiserver", tmp_path_factory.mktemp("client-trusted"), None) as made:
        yield made


def project(here: Scene, name: str) -> Machine:
    """A project that is built without a network: its two files are made already."""
    machine = here.machine(name)
    (machine.project / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (machine.project / "backend.py").write_text(BACKEND)
    (machine.project / "dist").rename(machine.project / "made")
    return machine


def installed(publish: list[str]) -> str:
    """The lines, with authproxy as it is here already in the place of the wheel of it that a job has."""
    return "\n".join(publish).replace("./pypi_authproxy-*.whl", "pypi-authproxy")


def lines_of(client: str, text: str) -> tuple[list[str], list[str]]:
    """The lines of shell of the job that builds and of the one that publishes; what each may is asserted."""
    document = yaml.safe_load(text)
    if client == "gitlab":
        build, publish = document["build"], document["publish"]
        assert publish["id_tokens"] == {"PYPI_ACME_TEST_ID_TOKEN": {"aud": AUDIENCE}}
        assert "id_tokens" not in build
        assert (publish["needs"], build["artifacts"]) == (["build"], {"paths": ["dist/"]})
        return build["script"], publish["script"]
    build, publish = document["jobs"]["build"], document["jobs"]["publish"]
    assert (document["permissions"], "permissions" in build) == ({"contents": "read"}, False)
    assert (publish["permissions"], publish["needs"]) == ({"id-token": "write"}, "build")
    used = [step["uses"].partition("@")[0] for job in (build, publish) for step in job["steps"] if "uses" in step]
    setup = "actions/setup-python"
    assert used == ["actions/checkout", setup, "actions/upload-artifact", setup, "actions/download-artifact"]
    first, second = ([step["run"] for step in job["steps"] if "run" in step] for job in (build, publish))
    return first, second


@pytest.mark.parametrize("client", ["github", "gitlab"])
@pytest.mark.parametrize("form", ["trusted", "twine"])
def test_a_job_publishes_without_a_key(here: Scene, client: str, form: str) -> None:
    """A tag is built and published; the key was minted for the job, is on record with its claims, and is burned."""
    machine = project(here, f"acme-{client}-{form}")
    text = printed(here.proxy, machine.home, client, form, "upload").text
    build, publish = lines_of(client, text)
    assert here.url in publish[-1]
    # What they install is there, as in an image that was used before.
    built = machine.sh("\n".join(build), PIP_NO_INDEX="1")
    assert built.code == 0, built.said
    job = on_github(here) if client == "github" else on_gitlab(here)
    ran = machine.sh(installed(publish), PIP_NO_INDEX="1", **job)
    assert ran.code == 0, ran.said
    rows = [row for row in here.stored() if row["project"] == machine.name]
    assert [row["outcome"] for row in rows] == ["stored", "stored"]
    [minted] = {row["key_id"] for row in rows}
    [key] = [each for each in here.proxy.rows("keys") if each["id"] == minted]
    assert (key["kind"], key["revoked"] is not None) == ("minted", True)
    assert not [name for name in os.environ if name.startswith("ACTIONS_ID")]


@pytest.mark.parametrize("client", ["github", "gitlab"])
@pytest.mark.parametrize("form", ["trusted", "twine"])
def test_a_job_that_is_not_trusted_does_not(here: Scene, client: str, form: str) -> None:
    """The same lines in a job that has no token: nothing arrives."""
    machine = project(here, f"acme-{client}-{form}-no")
    build, publish = lines_of(client, printed(here.proxy, machine.home, client, form, "upload").text)
    assert machine.sh("\n".join(build), PIP_NO_INDEX="1").code == 0
    ran = machine.sh(installed(publish), PIP_NO_INDEX="1", SSL_CERT_FILE=str(here.trust))
    assert ran.code != 0, ran.said
    assert not [row for row in here.proxy.rows("record") if row["project"] == machine.name]
