"""docs/trusted-publishing.md: every example loads, takes its issuer's token, and takes none that lacks a claim."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from authproxy.cli import main
from authproxy.config import Config, load
from authproxy.domain.publisherkinds import KINDS, PublisherKind
from authproxy.domain.publishers import LIFETIME, LONGEST, PENDING_LIFE, Matched, Unmatched, match
from authproxy.oidc import Issuer, TokenCode
from tests.config.conftest import LEAST
from tests.peers.ci_claims import AZURE_AUDIENCE, SHAPES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "trusted-publishing.md").read_text(encoding="utf-8")
NOW = 1_800_000_000

# Which token each example is held against.
EXAMPLES = {
    "GitHub": "github",
    "GitLab": "gitlab",
    "A GitLab of your own": "gitlab",
    "Google": "google",
    "Buildkite": "buildkite",
    "CircleCI": "circleci",
    "Azure DevOps": "azure-devops",
    "Kubernetes": "kubernetes",
    "Forgejo": "forgejo",
    "Jenkins": "jenkins",
}


def example(heading: str) -> str:
    """The file that stands under a heading."""
    [text] = re.findall(rf"^### {re.escape(heading)}$.*?^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def loaded(folder: Path, text: str) -> Config:
    path = folder / "authproxy.yaml"
    path.write_text(LEAST + text, encoding="utf-8")
    return load(path, {})


def asked(config: Config, claims: Mapping[str, object]) -> Matched | Unmatched:
    return match(config.policy.publishers.values(), claims, {}, now=NOW)


def without(claims: Any, path: tuple[str, ...]) -> Any:
    """The same claims without one, also inside of others."""
    rest = {name: value for name, value in claims.items() if name != path[0]}
    return rest if len(path) == 1 else rest | {path[0]: without(claims[path[0]], path[1:])}


def test_every_heading_has_its_example() -> None:
    """None is left out here, and each kind of CI is there."""
    part = PAGE[PAGE.index("## Issuer by issuer") : PAGE.index("## Where it says no")]
    assert re.findall(r"^### (.+)$", part, re.MULTILINE) == list(EXAMPLES)
    assert set(EXAMPLES.values()) == set(SHAPES)


@pytest.mark.parametrize("heading", EXAMPLES)
def test_an_example_takes_its_issuers_token(tmp_path: Path, heading: str) -> None:
    """And, as the negative control, no token that lacks one of the claims that it asks for."""
    config = loaded(tmp_path, example(heading))
    [publisher] = config.policy.publishers.values()
    claims = SHAPES[EXAMPLES[heading]](publisher.issuer, config.trusted_publishing.audience, NOW)
    answer = asked(config, claims)
    assert isinstance(answer, Matched), answer.reason
    needed = [check.path for check in publisher.checks if check.met({"x": "x"}) is False]
    assert len(needed) >= 1
    for path in needed:
        assert isinstance(asked(config, without(claims, path)), Unmatched), path
    assert isinstance(asked(config, {**claims, "iss": publisher.issuer + "/"}), Unmatched)


@pytest.mark.parametrize("heading", EXAMPLES)
def test_an_issuer_is_one_whose_tokens_can_be_verified(tmp_path: Path, heading: str) -> None:
    """With the audience that it writes, in the form that it writes it in."""
    config = loaded(tmp_path, example(heading))
    [issuer] = config.trusted_publishing.issuers
    assert Issuer(issuer.url).url == issuer.url
    claims = SHAPES[EXAMPLES[heading]](issuer.url, config.trusted_publishing.audience, NOW)
    audience = issuer.audience or config.trusted_publishing.audience
    assert claims["aud"] == ([audience] if issuer.audience_in_list else audience)
    assert (issuer.audience == AZURE_AUDIENCE) is (heading == "Azure DevOps")


def test_the_claims_in_a_file_are_those_of_the_example(tmp_path: Path) -> None:
    """Both commands that take such a file say yes of it, by the file under GitHub and a store."""
    config, claims = tmp_path / "authproxy.yaml", ROOT / "docs" / "claims.github.json"
    assert f"[{claims.name}]({claims.name})" in PAGE
    said = json.loads(claims.read_text(encoding="utf-8"))
    assert said.keys() == SHAPES["github"]("x", "y", NOW).keys()
    loaded(tmp_path, example("GitHub") + 'packages: [{match: "*"}]\n')
    explain = ["policy", "explain", "--claims", str(claims), "upload", "acme-core"]
    for words in (["db", "migrate"], ["publisher", "test", "--claims", str(claims)], explain):
        ran = CliRunner().invoke(main, [*words, "--config", str(config)])
        assert ran.exit_code == 0, ran.output
    claims = tmp_path / "claims.json"
    claims.write_text(json.dumps(said | {"repository_id": "75"}), encoding="utf-8")
    ran = CliRunner().invoke(main, ["publisher", "test", "--claims", str(claims), "--config", str(config)])
    assert (ran.exit_code, "repository_id is '75': it must be '74'" in ran.output) == (3, True)


def test_the_other_examples_load(tmp_path: Path) -> None:
    """Those before the list; an issuer's settings beside a publisher of it."""
    (tmp_path / "our-ca.pem").touch()
    (tmp_path / "trusted_root.json").touch()
    others = re.findall(r"^```yaml\n(.*?)^```$", PAGE[: PAGE.index("## Issuer by issuer")], re.MULTILINE | re.DOTALL)
    assert len(others) == 4
    for text in others:
        loaded(tmp_path, text if "issuers:" not in text else example("A GitLab of your own") + text)


def test_the_table_of_kinds_is_that_of_the_program() -> None:
    """Which keys each kind takes, and which it cannot be without."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \|", PAGE, re.MULTILINE)
    assert [kind for kind, _, _ in rows] == list(PublisherKind)
    for kind, needed, optional in rows:
        table = KINDS[PublisherKind(kind)]
        assert tuple(re.findall(r"`([a-z_]+)`", needed)) == table.needed
        assert set(re.findall(r"`([a-z_]+)`", optional)) == set(table.keys) - set(table.needed)


def test_the_table_of_codes_is_that_of_the_program() -> None:
    """What a client shows is explained here."""
    assert set(re.findall(r"^\| `([a-z-]+)` \| [^`]", PAGE, re.MULTILINE)) == set(map(str, TokenCode))


def test_the_numbers_of_the_page() -> None:
    """They stand in the program, too."""
    assert f"`lifetime` (`{LIFETIME // 60}m`; up to `{LONGEST // 3600}h`" in PAGE
    assert f"used for {PENDING_LIFE // 86_400} days" in PAGE
