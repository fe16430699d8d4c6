"""How the single values of publishers are read, and what the keys of each kind are in the schema."""

import pytest

from authproxy.config.publishing import PublisherSection, issuer_url
from authproxy.config.settings import Algorithm
from authproxy.domain.publisherkinds import KINDS, PublisherKind
from authproxy.oidc import issuers
from tests.config.conftest import LEAST, Complaining

GITHUB = "publishers: [{kind: github, packages: [a], repository: acme/core, workflow: release.yml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("repository: core", "repository: it takes OWNER/REPOSITORY, as in acme/core"),
        ("repository: a/b/c", "repository: it takes OWNER/REPOSITORY"),
        ("repository: https://github.com/acme/core", "repository: it takes OWNER/REPOSITORY"),
        ("repository: 5", "repository: it takes OWNER/REPOSITORY"),
        ("workflow: .github/workflows/release.yml", "workflow: it takes the name of a file in .github/workflows"),
        ("workflow: release", "workflow: it takes the name of a file"),
        ("workflow: release@main.yml", "workflow: it takes the name of a file"),
        ("project: core", "project: it takes GROUP/PROJECT"),
        ("pipeline: /ci.yml", "pipeline: it takes the path of the top-level pipeline file"),
        ("environment: ' '", "environment: it takes the name of an environment"),
        ("environment: 5", "environment: it takes the name of an environment"),
        ("environment: " + 256 * "x", "environment: it takes the name of an environment"),
        ("refs: [main]", "refs[0]: it takes a whole ref"),
        ("refs: main", "refs takes a list"),
        ("ref_protected: maybe", "ref_protected takes true or false"),
        ("repository_id: acme", "repository_id: it takes the number that the name stands for"),
        ("repository_id: true", "repository_id: it takes the number that the name stands for"),
        ("email: bot", "email: it takes the email of a service account"),
        ("sub: -5", "sub: it takes the number"),
        ("lifetime: 5m", "lifetime: it takes 15m to 6h: minted keys are for one job"),
        ("lifetime: 7h", "lifetime: it takes 15m to 6h"),
        ("lifetime: never", "lifetime: it takes a duration"),
        ("packages: []", "packages takes a list with something in it"),
        ("issuer: http://gitlab.example", "issuer: it takes an https URL in lower case, without ? and #"),
    ],
)
def test_a_value_that_is_none(complaints: Complaining, text: str, said: str) -> None:
    """What it takes, with an example, and where."""
    name = text.partition(":")[0]
    kind = next(each for each in PublisherKind if name in KINDS[each].keys or each is PublisherKind.OIDC)
    line = f"publishers:\n- kind: {kind}\n  {text}\n"
    assert any(
        each.startswith("6:") and each.partition("publishers[0].")[2].startswith(said)
        for each in complaints(LEAST + line)
    )


@pytest.mark.parametrize(
    "url", ["https://gitlab.com", "https://a.example:8443/x/", "https://oidc.circleci.com/org/c9035eb6-6eb2-4c85"]
)
def test_an_issuer_is_kept_to_the_letter(url: str) -> None:
    """A final slash too: `iss` is compared with it."""
    assert issuer_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://user@host",
        "https://host?x",
        "https://host#x",
        "https://HOST",
        "https://",
        "https://host:99999",
        "https://host//x",
        "https://host/a b",
        "host",
    ],
)
def test_an_issuer_that_is_none(url: str) -> None:
    """No second reading of a URL."""
    with pytest.raises(ValueError, match="it takes"):
        issuer_url(url)


def test_the_issuers_that_are_taken_are_those_that_tokens_can_be_verified_of() -> None:
    """What is read here makes an issuer of `authproxy.oidc`, with the same algorithms."""
    assert {str(each) for each in Algorithm} == {str(each) for each in issuers.Algorithm}
    for table in KINDS.values():
        if table.issuer is not None:
            assert issuers.Issuer(issuer_url(table.issuer)).url == table.issuer


def test_every_key_of_a_kind_is_one_of_the_file() -> None:
    """The table of the domain and the model name the same."""
    known = set(PublisherSection.model_fields)
    assert {key for table in KINDS.values() for key in (*table.keys, *table.needed)} <= known
