"""Publishers in the file: what becomes of them, every mistake that takes several keys, and the way back."""

from pathlib import Path

import pytest
import yaml

from authproxy.config import ConfigProblems, load, shown
from authproxy.config.settings import Algorithm, IssuerSettings, TrustedPublishing
from authproxy.domain.attestations import AttestationRule
from authproxy.domain.claims import Check, Way
from authproxy.domain.publisherkinds import PublisherKind
from authproxy.domain.rules import Requirement
from tests.config.conftest import LEAST, Complaining, Loading

TWO = """\
publishers:
- kind: github
  repository: Acme/Core
  workflow: release.yml
  environment: pypi
  refs: [refs/tags/v*]
  ref_protected: true
  repository_id: 74
  packages: [acme-core]
- kind: oidc
  issuer: https://k8s.example/
  claims:
    sub: system:serviceaccount:release:*
    kubernetes.io: {namespace: release, pod: {name: [a, b*]}}
    ready: true
  packages: [acme-*, other]
  create: true
  lifetime: 1h
  networks: [10.0.0.0/8]
packages:
- {match: acme-core, require: trusted-publisher}
trusted_publishing:
  audience: pypi
  issuers:
    https://k8s.example/: {algorithms: [ES256], audience_in_list: true, ca_file: pw}
"""


def test_what_is_read(loaded: Loading, file: Path) -> None:
    """By label, in the order of the file; the issuers that tokens may be of, each once."""
    config = loaded(LEAST + TWO)
    github, kubernetes = config.policy.publishers.values()
    assert list(config.policy.publishers) == [github.label, kubernetes.label]
    assert github.label == "github acme/core release.yml pypi refs=refs/tags/v* ref_protected=true"
    assert (github.kind, github.pinned) == (PublisherKind.GITHUB, ("repository_owner_id",))
    assert kubernetes.claims == (
        Check(("kubernetes.io", "namespace"), Way.GLOB, ("release",)),
        Check(("kubernetes.io", "pod", "name"), Way.GLOB, ("a", "b*")),
        Check(("ready",), Way.GLOB, ("true",)),
        Check(("sub",), Way.GLOB, ("system:serviceaccount:release:*",)),
    )
    assert (kubernetes.create, kubernetes.lifetime, list(map(str, kubernetes.networks))) == (True, 3600, ["10.0.0.0/8"])
    assert config.policy.packages[0].require is Requirement.TRUSTED_PUBLISHER
    assert config.trusted_publishing == TrustedPublishing(
        "pypi",
        (
            IssuerSettings("https://token.actions.githubusercontent.com"),
            IssuerSettings(
                "https://k8s.example/",
                frozenset({Algorithm.ES256}),
                audience_in_list=True,
                ca_file=file.parent / "pw",
            ),
        ),
    )


def test_what_holds_where_nothing_is_said(loaded: Loading) -> None:
    """The audience is the host of the public URL, with its port; there are no publishers."""
    assert loaded(LEAST).trusted_publishing == TrustedPublishing("pypi.example.com", ())
    assert loaded(LEAST).policy.publishers == {}
    other = LEAST.replace("https://pypi.example.com/", "https://pypi.example.com:8443/")
    assert loaded(other).trusted_publishing.audience == "pypi.example.com:8443"


def test_the_indexes_of_a_publisher(loaded: Loading, complaints: Complaining) -> None:
    """Those that are behind the proxy."""
    devpi = LEAST.replace("pypiserver,", "devpi, indexes: [team/dev],")
    line = "publishers: [{kind: google, email: a@b, packages: [a], indexes: [%s]}]"
    [each] = loaded(devpi + line % "team/dev").policy.publishers.values()
    assert each.grant.indexes == ("team/dev",)
    assert shown(loaded(devpi + line % "team/dev"))["publishers"][0]["indexes"] == ["team/dev"]
    assert complaints(devpi + line % "team/prod") == [
        "4:66: 'team/prod' is none of backend.indexes, so no upload goes there"
    ]


def test_what_is_shown_is_what_was_read(loaded: Loading) -> None:
    """For people, and so that it loads to the same."""
    config = loaded(LEAST + TWO)
    document = shown(config)
    github, kubernetes = document["publishers"]
    assert (github["repository_id"], github["refs"], github["ref_protected"]) == ("74", ["refs/tags/v*"], True)
    assert kubernetes["claims"]["kubernetes.io"] == {"namespace": "release", "pod": {"name": ["a", "b*"]}}
    assert (kubernetes["issuer"], kubernetes["lifetime"]) == ("https://k8s.example/", "1h")
    assert list(document["trusted_publishing"]["issuers"]) == ["https://k8s.example/"]
    again = loaded(yaml.safe_dump(document))
    assert again.policy == config.policy
    assert again.trusted_publishing == config.trusted_publishing


OIDC = "publishers:\n- {kind: oidc, packages: [a], issuer: 'https://a.example', claims: "
TAKES = "it takes text, a whole number, true or false, or a list of these"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ("{}", ["5:68: it takes a mapping"]),
        ("sub", ["5:68: it takes a mapping"]),
        ("{sub: '*'}", ["5:74: '*' takes every value: write what it must be"]),
        ("{sub: [x, '**']}", ["5:78: '**' takes every value"]),
        ("{sub: ''}", [f"5:74: {TAKES}"]),
        ("{sub: []}", [f"5:74: {TAKES}"]),
        ("{sub: [[x]]}", [f"5:75: {TAKES}"]),
        ("{sub: {}}", [f"5:74: {TAKES}"]),
        ("{a: {b: ''}}", [f"5:76: {TAKES}"]),
        (f"{{sub: {'x' * 256}}}", [f"5:74: {TAKES}"]),
        ("{iss: x}", ["5:74: iss is no claim to name here: it is checked as issuer"]),
        ("{aud: x}", ["5:74: aud is no claim to name here: it is checked as trusted_publishing.audience"]),
        ("{exp: 5, jti: x}", ["5:74: exp is no claim to name here", "5:82: jti is no claim to name here"]),
    ],
)
def test_claims_that_tell_nothing(complaints: Complaining, claims: str, said: list[str]) -> None:
    """An empty table is an error, and so is a glob that takes everything; each where it stands."""
    found = complaints(f"{LEAST}{OIDC}{claims}}}\n")
    assert len(found) == len(said)
    assert all(one.startswith(other) for one, other in zip(found, said, strict=True)), found


def test_a_claim_inside_of_others_may_have_any_name(loaded: Loading) -> None:
    """`aud` of a token is its own; what lies deeper is the issuer's."""
    [each] = loaded(f"{LEAST}{OIDC}{{act: {{iss: x}}}}}}\n").policy.publishers.values()
    assert each.label == "oidc https://a.example act.iss=x"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param(
            ["{kind: github, packages: [a]}"],
            [
                "5:3: publishers[0].repository is missing: kind github takes repository, workflow",
                "5:3: publishers[0].workflow is missing: kind github takes repository, workflow",
            ],
            id="what a kind needs",
        ),
        pytest.param(
            ["{kind: oidc, packages: [a]}"],
            [
                "5:3: publishers[0].issuer is missing: kind oidc takes issuer, claims",
                "5:3: publishers[0].claims is missing: kind oidc takes issuer, claims",
            ],
            id="an issuer that we do not know, and nothing that it says",
        ),
        pytest.param(
            ["{kind: google, email: a@b, packages: [a], project: a/b, refs: [refs/x]}"],
            [
                "5:45: project is no key of kind google: there are email, sub, claims",
                "5:59: refs is no key of kind google: there are email, sub, claims",
            ],
            id="keys of other kinds",
        ),
        pytest.param(
            ["{kind: gitea, packages: [a]}", "5", "{kind: google, packages: [a]}"],
            [
                "5:10: publishers[0].kind takes github, gitlab, google or oidc: did you mean gitlab?",
                "6:3: publishers[1] takes a mapping",
                "7:3: publishers[2].email is missing: kind google takes email",
            ],
            id="no kind, no mapping, and what is wrong behind them",
        ),
        pytest.param(
            ["{kind: gitlab, project: a/B, pipeline: x.yml, packages: [a]}"] * 2
            + ["{kind: gitlab, project: A/b, pipeline: x.yml, project_id: 5, packages: [b]}"],
            [
                "6:3: publishers[0] is the same one ('gitlab a/b x.yml'): put the packages of both into one",
                "7:3: publishers[0] is the same one ('gitlab a/b x.yml'): put the packages of both into one",
            ],
            id="the same one again",
        ),
        pytest.param(
            ["{kind: oidc, issuer: 'https://gitlab.com', claims: {sub: x}, packages: [a]}"],
            ["5:24: this is the issuer of kind gitlab, which checks more: write that"],
            id="a kind that would check less",
        ),
        pytest.param(
            [f"{{kind: oidc, issuer: 'https://a.b', claims: {{{k}: {'x' * 200}, b{k}: {'x' * 200}, c: {'x' * 200}}}, packages: [a]}}" for k in "d"],
            ["5:3: its claims have 626 characters together and may have 500: leave some out"],
            id="claims that no label holds",
        ),
    ],
)  # fmt: skip
def test_mistakes(complaints: Complaining, lines: list[str], said: list[str]) -> None:
    """All at once, each where it stands."""
    found = complaints(LEAST + "publishers:\n" + "".join(f"- {line}\n" for line in lines))
    assert len(found) == len(said), found
    assert all(one.startswith(other) for one, other in zip(found, said, strict=True)), found


def test_settings_of_an_issuer(complaints: Complaining, file: Path) -> None:
    """Of one that a publisher has, to the letter; and its certificates are there, where secrets are read at all."""
    publisher = (
        "publishers: [{kind: gitlab, issuer: 'https://a.example', project: a/b, pipeline: x.yml, packages: [a]}]\n"
    )
    settings = (
        "trusted_publishing:\n  issuers:\n    https://a.example/: {}\n    https://a.example: {ca_file: gone.pem}\n"
    )
    assert complaints(LEAST + publisher + settings) == [
        "7:5: no publisher has this issuer, to the letter: take it out, or mend it",
        "8:34: there is no file 'gone.pem' beside this one: write where the certificates are",
    ]
    file.write_text(LEAST + publisher + settings.replace("    https://a.example/: {}\n", ""), encoding="utf-8")
    [issuer] = load(file, {}, secrets=False).trusted_publishing.issuers
    assert issuer.ca_file == file.parent / "gone.pem"


def test_a_file_with_lists_in_wrong_places(complaints: Complaining) -> None:
    """Each section that is none is told once."""
    assert complaints(LEAST + "publishers: 5\ntrusted_publishing: {issuers: []}\n") == [
        "4:13: publishers takes a list: [a, b], or a line with a dash for each",
        "5:31: trusted_publishing.issuers takes a mapping: keys with a colon and a value each",
    ]


def test_the_trusted_root_of_attestations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands beside the file, is shown, and takes sigstore's library; what is not there is told at once."""
    text = (
        f"{LEAST}trusted_publishing: {{attestation_root: root.json}}\npackages: [{{match: a, attestations: require}}]\n"
    )
    path = tmp_path / "authproxy.yaml"
    path.write_text(text)
    with pytest.raises(ConfigProblems, match=r"there is no file 'root\.json' beside this one"):
        load(path, {})
    (tmp_path / "root.json").write_text("{}")
    config = load(path, {})
    assert config.trusted_publishing.attestation_root == tmp_path / "root.json"
    assert config.policy.packages[0].attestations is AttestationRule.REQUIRE
    told = shown(config)
    assert told["trusted_publishing"]["attestation_root"] == str(tmp_path / "root.json")
    assert told["packages"][0]["attestations"] == "require"
    assert load(path, {}, try_root=Path.read_text).warnings == ()

    def no_root(_: Path) -> None:
        raise ValueError("the proxy's trusted root cannot be read")

    with pytest.raises(ConfigProblems, match=r":4:\d+: the proxy's trusted root cannot be read: put sigstore's"):
        load(path, {}, try_root=no_root)
    monkeypatch.setattr("authproxy.config.publishers.find_spec", lambda _: None)
    with pytest.raises(ConfigProblems, match=r"beside authproxy: pip install 'sigstore>=4\.0'"):
        load(path, {})


def test_attestations_that_nobody_verifies_are_warned_of(tmp_path: Path) -> None:
    """At the rule that requires them: anybody who may upload can write one that claims anything."""
    rules = "packages: [{match: a, attestations: require}, {match: b, attestations: require}, {match: '*'}]\n"
    path = tmp_path / "authproxy.yaml"
    path.write_text(LEAST + rules)
    first, second = load(path, {}).warnings
    assert (first.line, second.line) == (4, 4)
    assert first.column < second.column
    assert "believed unseen" in first.sentence
    assert "trusted_publishing.attestation_root" in first.sentence
    (tmp_path / "root.json").touch()
    path.write_text(f"{LEAST}{rules}trusted_publishing: {{attestation_root: root.json}}\n")
    assert load(path, {}).warnings == ()
