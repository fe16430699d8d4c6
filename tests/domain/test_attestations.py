"""Attestations: whose job it is by what its certificate names, whose count for a package, and what goes on record."""

import json
from dataclasses import replace

import pytest

from authproxy.domain.attestations import (
    NOTHING,
    Attestation,
    Attested,
    is_of,
    job_of,
    read_written,
    signers,
    told,
    written,
)
from authproxy.domain.grants import Pattern
from authproxy.domain.names import project_name
from authproxy.domain.publisherkinds import PublisherKind
from authproxy.domain.publishers import Publisher, publisher

GITHUB = "https://token.actions.githubusercontent.com"
CORE = (Pattern("acme-core"),)
AT_GITHUB = publisher(PublisherKind.GITHUB, {"repository": ("Acme/Core",), "workflow": ("release.yml",)}, packages=CORE)
AT_GITLAB = publisher(PublisherKind.GITLAB, {"project": ("acme/core",), "pipeline": (".gitlab-ci.yml",)}, packages=CORE)
AT_HOME = publisher(
    PublisherKind.GITHUB,
    {"repository": ("acme/core",), "workflow": ("release.yml",)},
    packages=CORE,
    issuer="https://git.acme.test/_services/token",
)
AT_GOOGLE = publisher(PublisherKind.GOOGLE, {"email": ("ci@acme.test",)}, packages=CORE)
CORE_URL = "https://github.com/acme/core"
JOB = f"{CORE_URL}/.github/workflows/release.yml@refs/tags/v1"
SIGNED = Attestation(
    "00", "publish", JOB, GITHUB, source=CORE_URL, source_id="74", owner_id="65", started=JOB, trigger="push"
)
EVIL = "https://github.com/evil/core"


@pytest.mark.parametrize(
    ("whose", "uri", "issuer", "is_theirs"),
    [
        pytest.param(AT_GITHUB, SIGNED.publisher, GITHUB, True, id="GitHub"),
        pytest.param(
            AT_GITHUB, SIGNED.publisher.replace("acme/core", "ACME/core"), GITHUB, True, id="a name in capitals"
        ),
        pytest.param(
            AT_GITHUB, SIGNED.publisher.replace("release.yml", "RELEASE.yml"), GITHUB, False, id="a file in capitals"
        ),
        pytest.param(
            AT_GITHUB, SIGNED.publisher.replace("release.yml", "release.yml.evil.yml"), GITHUB, False, id="another file"
        ),
        pytest.param(
            AT_GITHUB, SIGNED.publisher.replace("acme/core", "acme/core-evil"), GITHUB, False, id="another repository"
        ),
        pytest.param(
            AT_GITHUB,
            SIGNED.publisher.replace("acme/core", "acme/\N{KELVIN SIGN}ore"),
            GITHUB,
            False,
            id="another letter",
        ),
        pytest.param(AT_GITHUB, SIGNED.publisher, "https://evil.test", False, id="another issuer"),
        pytest.param(AT_GITHUB, "me@acme.test", GITHUB, False, id="a person"),
        pytest.param(
            AT_GITLAB,
            "https://gitlab.com/acme/core//.gitlab-ci.yml@refs/heads/main",
            "https://gitlab.com",
            True,
            id="GitLab",
        ),
        pytest.param(
            AT_GITLAB,
            "https://gitlab.com/acme/core/sub//.gitlab-ci.yml@x",
            "https://gitlab.com",
            False,
            id="a subgroup",
        ),
        pytest.param(
            AT_HOME,
            "https://git.acme.test/acme/core/.github/workflows/release.yml@x",
            "https://git.acme.test/_services/token",
            True,
            id="a GitHub of one's own",
        ),
        pytest.param(AT_GOOGLE, "ci@acme.test", "https://accounts.google.com", False, id="Google signs no job"),
    ],
)
def test_whose_it_is(whose: Publisher, uri: str, issuer: str, is_theirs: bool) -> None:
    """The project and the file that the publisher names, at any ref; the issuer to the letter."""
    source = uri.partition("/.github/")[0].partition("//.")[0]
    signed = replace(SIGNED, publisher=uri, issuer=issuer, source=source, started=uri)
    assert is_of(signed, whose, {}) is is_theirs


@pytest.mark.parametrize(
    ("changes", "is_theirs"),
    [
        pytest.param({}, True, id="its own run"),
        pytest.param({"source": "https://GitHub.com/ACME/core"}, True, id="a name in capitals"),
        pytest.param({"source": EVIL}, False, id="for another repository"),
        pytest.param({"source": CORE_URL + "-evil"}, False, id="for one whose name goes on"),
        pytest.param({"source": CORE_URL + "/"}, False, id="for one with a slash"),
        pytest.param({"source": None}, False, id="for none"),
        pytest.param({"started": JOB.replace("release", "ci")}, True, id="started by another file of its own"),
        pytest.param({"started": JOB.replace("acme", "evil")}, False, id="started by another repository's file"),
        pytest.param({"started": CORE_URL + "-evil/.github/workflows/x.yml@y"}, False, id="whose name goes on"),
        pytest.param({"started": None}, False, id="started by none"),
        pytest.param({"trigger": "release"}, True, id="for a release"),
        pytest.param({"trigger": "pull_request_target"}, False, id="for a stranger's proposal"),
        pytest.param({"trigger": None}, False, id="for no event"),
    ],
)
def test_what_its_run_was_for(changes: dict[str, str | None], is_theirs: bool) -> None:
    """A reusable workflow that another repository calls signs with the name of ours, and counts for nothing."""
    assert is_of(replace(SIGNED, **changes), AT_GITHUB, {}) is is_theirs  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "is_theirs"),
    [
        pytest.param({}, True, id="its ids"),
        pytest.param({"source_id": "75"}, False, id="a repository that has the name now"),
        pytest.param({"owner_id": "66"}, False, id="an owner that has the name now"),
        pytest.param({"source_id": None}, False, id="no id of the repository"),
        pytest.param({"owner_id": None}, False, id="no id of the owner"),
    ],
)
def test_ids_that_are_known_must_be_there(changes: dict[str, str | None], is_theirs: bool) -> None:
    """Those of the file as those of first use."""
    signed = replace(SIGNED, **changes)  # type: ignore[arg-type]
    said = {"repository_id": ("74",), "repository_owner_id": ("65",)}
    given = publisher(PublisherKind.GITHUB, AT_GITHUB.said | said, packages=CORE)
    assert is_of(signed, given, {}) is is_theirs
    assert is_of(signed, AT_GITHUB, {"repository_id": "74", "repository_owner_id": "65"}) is is_theirs
    assert is_of(signed, AT_GITHUB, {}), "where none are known, names decide"


def test_the_ids_of_gitlab() -> None:
    """Its project and its namespace."""
    uri = "https://gitlab.com/acme/core//.gitlab-ci.yml@refs/heads/main"
    ours = replace(
        SIGNED, publisher=uri, issuer="https://gitlab.com", source="https://gitlab.com/acme/core", started=uri
    )
    assert is_of(ours, AT_GITLAB, {"project_id": "74", "namespace_id": "65"})
    assert not is_of(ours, AT_GITLAB, {"project_id": "65", "namespace_id": "74"})


def test_what_a_person_is_told_of_one() -> None:
    """Who signed, and for whom: the name alone looks right where it is not."""
    assert told(SIGNED) == f"'{JOB}' for '{CORE_URL}' (id '74', owner '65')"
    called = replace(SIGNED, source=EVIL, source_id=None, owner_id=None, started="x")
    assert told(called).endswith(f" for '{EVIL}', started by 'x'")
    person = Attestation("00", "publish", "me@acme.test", "x")
    assert told(person) == "'me@acme.test' for no repository, for no event"
    assert told(replace(person, trigger="pull_request_target")).endswith(", for a 'pull_request_target'")


def test_whose_count_for_a_package() -> None:
    """The jobs that may upload it and sign; nobody else's."""
    found = signers([AT_GITHUB, AT_GITLAB, AT_GOOGLE], project_name("acme-core"))
    assert found == (AT_GITHUB, AT_GITLAB)
    assert signers([AT_GITHUB], project_name("acme-web")) == ()
    assert job_of(AT_GOOGLE) is None


def test_what_goes_on_record() -> None:
    """JSON with the hash and whose it claims to be, and whether somebody verified it; nothing where there is none."""
    assert written(()) is None
    assert read_written(None) is NOTHING
    assert read_written(written([SIGNED])) == Attested((SIGNED,))
    [each] = json.loads(written([SIGNED]) or "")
    assert each == {
        "sha256": "00",
        "predicate": "publish",
        "publisher": SIGNED.publisher,
        "issuer": GITHUB,
        "verified": False,
        "source": CORE_URL,
        "source_id": "74",
        "owner_id": "65",
        "started": JOB,
        "trigger": "push",
    }
    person = Attestation("00", "publish", "me@acme.test", GITHUB)
    assert json.loads(written([person]) or "")[0].keys() == {"sha256", "predicate", "publisher", "issuer", "verified"}
    assert read_written(written([person])) == Attested((person,))
