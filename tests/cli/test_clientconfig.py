"""`authproxy client-config`: from where it knows the place, what may be asked of it, and the page that shows it all."""

import json
import re
import stat
from pathlib import Path

import pytest
import yaml

from authproxy.cli.clientlines import CLIENTS
from authproxy.config import load
from authproxy.domain.publishers import Matched, match
from tests.cli.conftest import Cli
from tests.cli.publishing import AUDIENCE, trusts
from tests.peers.ci_claims import SHAPES

URL = "https://pypi.example.com"
PAGE = Path(__file__).parents[2] / "docs" / "clients.md"


def test_the_configuration_knows_the_place(cli: Cli) -> None:
    """public_url, and what a person should know goes to stderr, so that stdout is the file."""
    ran = cli("client-config", "pip")
    assert ran.status == 0
    assert "index-url = http://127.0.0.1:8080/simple/\n" in ran.stdout
    assert "needs a read grant" in ran.stderr


def test_a_machine_without_a_configuration(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--url` is enough, with and without its final slash, and no configuration is looked for."""
    monkeypatch.setenv("AUTHPROXY_CONFIG", "/there/is/none")
    for url in (URL, f"{URL}/"):
        ran = cli("client-config", "twine", "--url", url)
        assert (ran.status, ran.stderr) == (0, "")
        assert f"repository = {URL}/\n" in ran.stdout


def test_json_and_a_file(cli: Cli, tmp_path: Path) -> None:
    """JSON has the text whole and where it belongs; `-o` writes the very file."""
    plain = cli("client-config", "twine", "--url", URL).stdout
    shown = cli("client-config", "twine", "--url", URL, "--json").json
    assert shown == {"client": "twine", "form": "pypirc", "for": ["upload"], "file": ".pypirc", "text": plain}
    path = tmp_path / "made"
    assert cli("client-config", "twine", "--url", URL, "-o", path).stdout == ""
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (plain, 0o600)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["bower"], "'bower' is not one of", id="an unknown client"),
        pytest.param(["devpi"], "docs/clients.md#devpi-client", id="a client that takes no configuration"),
        pytest.param(["pip", "--as", "toml"], "--as takes conf or env or netrc", id="an unknown form"),
        pytest.param(["pip", "--for", "upload"], "told to read in this form", id="pip uploads nothing"),
        pytest.param(["twine", "--for", "both"], "told to upload in this form", id="twine reads nothing"),
        pytest.param(["uv", "--as", "netrc", "--for", "upload"], "told to read", id="uv takes no .netrc to upload"),
        pytest.param(["pip", "--url", "pypi.example.com"], "it takes a URL", id="a URL without a scheme"),
        pytest.param(["pip", "--url", "https://me:s3cret@x.test/"], "no credentials", id="a URL with a password"),
        pytest.param(["pip", "--url", "https://x.test/pypi/"], "without a path", id="a URL with a path"),
        pytest.param(["pip", "--index", "dev"], "USER/INDEX", id="half of an index"),
        pytest.param(["pip", "--index", "team/dev"], "--index is for devpi", id="an index of pypiserver's"),
    ],
)
def test_what_cannot_be_printed(cli: Cli, arguments: list[str], words: str) -> None:
    """Wrong usage: one sentence that says what there is, nothing on stdout, and no secret repeated."""
    ran = cli("client-config", *arguments)
    assert (ran.status, ran.stdout) == (2, "")
    assert words in ran.stderr
    assert "s3cret" not in ran.stderr


def test_nobody_says_where(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to say it are named."""
    monkeypatch.delenv("AUTHPROXY_CONFIG")
    ran = cli("client-config", "pip")
    assert ran.status == 2
    assert "--url" in ran.stderr
    assert "--config" in ran.stderr


@pytest.fixture
def devpi_config(config_file: Path) -> Path:
    """A configuration before two indexes of devpi."""
    text = config_file.read_text().replace("flavour: pypiserver", "flavour: devpi\n  indexes: [team/dev, team/prod]")
    config_file.write_text(text)
    return config_file


def test_devpi_has_indexes(cli: Cli, devpi_config: Path) -> None:
    """The one that is asked for; without a word only where there is but one; none that the proxy does not serve."""
    assert "/team/prod/+simple/" in cli("client-config", "pip", "--index", "team/prod").stdout
    ran = cli("client-config", "pip")
    assert (ran.status, "--index team/dev or team/prod" in ran.stderr) == (2, True)
    ran = cli("client-config", "pip", "--index", "team/other")
    assert (ran.status, "--index takes team/dev or team/prod" in ran.stderr) == (2, True)
    devpi_config.write_text(devpi_config.read_text().replace(", team/prod", ""))
    assert "/team/dev/+simple/" in cli("client-config", "pip").stdout


@pytest.mark.parametrize(
    ("settings", "arguments", "words"),
    [
        pytest.param("reads: index", ["pip"], "needs a read grant", id="the index decides"),
        pytest.param("reads: open", ["pip"], "no key is needed", id="everybody reads"),
        pytest.param("reads: key", ["pip"], "", id="the proxy decides"),
        pytest.param("reads: open", ["uv", "--for", "upload"], "", id="nobody asked about reading"),
        pytest.param("reads: key", ["pip", "--url", "http://pypi.test"], "in the clear", id="no TLS"),
    ],
)
def test_what_a_person_should_know_besides(
    cli: Cli, config_file: Path, settings: str, arguments: list[str], words: str
) -> None:
    """One sentence on stderr where there is one to say, and silence where there is none."""
    config_file.write_text(f"{config_file.read_text()}{settings}\n")
    ran = cli("client-config", *arguments)
    assert ran.status == 0
    assert words in ran.stderr if words else ran.stderr == ""


def blocks_of(page: str) -> dict[str, str]:
    """The page's examples by the command that stands above each of them."""
    found = re.findall(r"`authproxy (client-config [^`]+)`[^`]*```\w*\n(.*?)```\n", page, re.DOTALL)
    assert len(found) == len(dict(found))
    return dict(found)


EXAMPLES = blocks_of(PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", EXAMPLES)
def test_the_page_shows_what_is_printed(cli: Cli, command: str) -> None:
    """Every example of docs/clients.md is the command's own output, to the letter."""
    ran = cli(*command.split(), "--url", URL)
    assert ran.status == 0
    assert ran.stdout == EXAMPLES[command]


def test_the_page_shows_every_client(cli: Cli) -> None:
    """Each client has an example, and each form is named."""
    page = PAGE.read_text(encoding="utf-8")
    assert {command.split()[1] for command in EXAMPLES} == set(CLIENTS)
    for client, forms in CLIENTS.items():
        [row] = re.findall(rf"^\| {client} \|.*$", page, re.MULTILINE)
        assert set(re.findall(r"`([a-z]+)`", row)) == set(forms), client


def test_the_help_names_every_form(cli: Cli) -> None:
    """Where the shell's user looks first."""
    shown = cli("client-config", "--help").stdout
    for client, forms in CLIENTS.items():
        assert re.search(rf"\b{client}\b", shown)
        if len(forms) > 1:
            assert re.search(rf"\b{client}\s+{', '.join(forms)}", shown), client


def test_json_is_one_document(cli: Cli) -> None:
    """Also where there is something to say on stderr."""
    ran = cli("client-config", "pip", "--json")
    assert json.loads(ran.stdout)["client"] == "pip"


def test_what_a_job_can_do_chooses_the_form(cli: Cli) -> None:
    """Publishing takes no key; where the job reads, it is the form that has one."""
    for client, form in (("github", "workflow"), ("gitlab", "job")):
        for wanted, chosen in (((), "trusted"), (("--for", "upload"), "trusted"), (("--for", "both"), form)):
            assert cli("client-config", client, *wanted, "--url", URL, "--json").json["form"] == chosen
        assert cli("client-config", client, "--for", "read", "--url", URL, "--json").json["form"] == form


@pytest.mark.parametrize("client", ["github", "gitlab"])
@pytest.mark.parametrize("form", ["trusted", "twine"])
def test_a_job_that_would_get_no_key_is_told(cli: Cli, config_file: Path, client: str, form: str) -> None:
    """No publisher of its kind, and http://; both can be mended in the configuration, and then nothing is said."""
    said = cli("client-config", client, "--as", form).stderr
    assert f"has no publisher of kind {client}: add what the comment says" in said
    assert "at https:// alone" in said
    trusts(config_file)
    text = config_file.read_text().replace("public_url: http://127.0.0.1:8080/", "public_url: https://pypi.acme.test/")
    config_file.write_text(text)
    ran = cli("client-config", client, "--as", form)
    assert ran.stderr == ""
    assert "aud" not in ran.stdout or f'aud: "{AUDIENCE}"' in ran.stdout


@pytest.mark.parametrize("client", ["github", "gitlab"])
def test_the_comment_is_the_publisher_that_takes_the_job(cli: Cli, config_file: Path, client: str) -> None:
    """Copied into the configuration with the names filled in, it takes the token of such a job."""
    text = cli("client-config", client, "--url", URL).stdout
    [line] = re.findall(r"^# (- \{kind: .+)$", text, re.MULTILINE)
    for name, value in {"OWNER/REPOSITORY": "acme/core", "GROUP/PROJECT": "acme/core", "NAME": "acme-core"}.items():
        line = line.replace(name, value)
    config_file.write_text(f"{config_file.read_text()}publishers:\n  {line}\n")
    publishers = load(config_file).policy.publishers
    [made] = publishers.values()
    assert isinstance(match([made], SHAPES[client](made.issuer, AUDIENCE, 0), {}, now=0), Matched)
    document = yaml.safe_load(text)
    publish = document["jobs"]["publish"] if client == "github" else document["publish"]
    assert publish["environment"] == "pypi"
    assert client == "gitlab" or publish["permissions"] == {"id-token": "write"}
