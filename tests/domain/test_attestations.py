"""Attestations: whose job it is by what its certificate names, whose count for a package, and what goes on record."""

import json
from dataclasses import replace

import pytest

from authproxy.domain.attestations import NOTHING, Attestation, Attested, is_of, job_of, read_written, signers, written
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
SIGNED = Attestation("00", "publish", "https://github.com/acme/core/.github/workflows/release.yml@refs/tags/v1", GITHUB)


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
    assert is_of(replace(SIGNED, publisher=uri, issuer=issuer), whose) is is_theirs


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
    }
