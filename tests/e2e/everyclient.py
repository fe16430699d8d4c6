"""Every client that uploads and every way in which pip and uv are given a key: the tables that the README shows.

A row is what the tests run (a line of shell, its environment) and what they hold it to (exit codes, where the user reads the
sentence). In the lines `<url>` is where uploads go, `<simple>` where installers look, `<keyed ...>` the same with the key
within, `<host>` the proxy's host and port; the key is in the variable KEY. They are run in the project's folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from authproxy.cli.clientlines import KEY
from tests.e2e.indexes import FLAVOURS, Flavour, Front
from tests.e2e.printed import FLIT, HATCHLING, POETRY
from tests.peers.clients import with_credentials
from tests.peers.toolbox import OLD_TWINE, VERSIONS

# Where the sentence of a refusal is to be found.
SAID = "the sentence"
LAST = "the sentence, as the last line of a traceback"
LOGGED = "the status; the sentence is in the log file that it names"


@dataclass(frozen=True, slots=True)
class Writer:
    """A client that uploads."""

    name: str
    version: str
    publish: str
    settings: Mapping[str, str]
    shows: str = SAID
    refused: int = 1  # the exit code of a refusal
    skip: str = ""  # the option that skips what is there; empty: it has none
    skipped: int | None = None  # with that option, the exit code where other bytes are there under the name
    why: str = "skipped"  # what becomes of them then
    backend: tuple[str, str] = HATCHLING
    flavours: tuple[Flavour, ...] = FLAVOURS
    box: Literal["today", "old"] = "today"

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the README."""
        places = ["yes" if flavour in self.flavours else "-" for flavour in FLAVOURS]
        told = "-" if self.skipped is None else f"`{self.skip.split()[0]}`: {self.why}, exit code {self.skipped}"
        return self.name, self.version, *places, "success", told, self.shows, str(self.refused)


def _named(prefix: str, url: str, user: str, secret: str) -> dict[str, str]:
    return {f"{prefix}_{url}": "<url>", f"{prefix}_{user}": "__token__", f"{prefix}_{secret}": "<key>"}


_TWINE = _named("TWINE", "REPOSITORY_URL", "USERNAME", "PASSWORD")
_POETRY = {
    "POETRY_REPOSITORIES_AUTHPROXY_URL": "<url>",
    "POETRY_HTTP_BASIC_AUTHPROXY_USERNAME": "__token__",
    "POETRY_HTTP_BASIC_AUTHPROXY_PASSWORD": "<key>",
}

WRITERS = (
    Writer(
        "twine",
        VERSIONS["twine"],
        "twine upload --non-interactive dist/*",
        _TWINE,
        skip="--skip-existing",
        skipped=1,
        why="for PyPI only",
    ),
    Writer(
        "twine",
        OLD_TWINE,
        "twine upload --non-interactive dist/*",
        _TWINE,
        skip="--skip-existing",
        skipped=0,
        box="old",
    ),
    Writer(
        "uv publish",
        VERSIONS["uv"],
        "uv publish --trusted-publishing never",
        {"UV_PUBLISH_URL": "<url>", "UV_PUBLISH_TOKEN": "<key>"},
        refused=2,
        skip="--check-url <keyed simple>",
        skipped=2,
        why="refused",
    ),
    Writer(
        "poetry",
        VERSIONS["poetry"],
        "poetry publish --no-interaction --repository authproxy",
        _POETRY,
        skip="--skip-existing",
        skipped=0,
        backend=POETRY,
    ),
    Writer(
        "flit",
        VERSIONS["flit"],
        "flit publish",
        _named("FLIT", "INDEX_URL", "USERNAME", "PASSWORD"),
        shows=LAST,
        backend=FLIT,
    ),
    Writer("hatch", VERSIONS["hatch"], "hatch publish", _named("HATCH_INDEX", "REPO", "USER", "AUTH")),
    Writer(
        "pdm",
        VERSIONS["pdm"],
        "pdm publish --no-build",
        _named("PDM_PUBLISH", "REPO", "USERNAME", "PASSWORD"),
        shows=LOGGED,
        skip="--skip-existing",
        skipped=0,
    ),
    Writer(
        "devpi upload",
        VERSIONS["devpi-client"],
        # Under `reads: key` the first line ends with 1, because the list of packages is asked for before the login.
        f'devpi use <url> || test $? = 1\ndevpi login __token__ --password="${KEY}"\ndevpi upload dist/*',
        {},
        flavours=("devpi",),
    ),
)


@dataclass(frozen=True, slots=True)
class Reader:
    """A client that installs, and one way to give it the key."""

    name: str
    version: str
    way: str
    install: str  # `<name>` is the project
    settings: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.name} with the key in {self.way}"


OUT_OF_REACH = {"pip": "No matching distribution found", "uv": "returned a 403 Forbidden error"}  # what is said then

_NETRC = f"(umask 077; printf 'machine 127.0.0.1 login __token__ password %s\\n' \"${KEY}\" > ~/.netrc)\n"
_STORE = f"printf %s \"${KEY}\" | keyring set '<host>' __token__\n"
_PIP = "pip install --no-input --no-deps --no-cache-dir --target got"
_UV = "uv pip install --no-deps --no-cache --target got"
_FROM_KEYRING = "--keyring-provider subprocess"
_A_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring"}
_BY_NAME = {
    "UV_INDEX": "authproxy=<simple>",
    "UV_INDEX_AUTHPROXY_USERNAME": "__token__",
    "UV_INDEX_AUTHPROXY_PASSWORD": "<key>",
}
_WAYS: tuple[tuple[str, str, str, Mapping[str, str]], ...] = (
    ("pip", "the URL", f"{_PIP} --index-url <keyed simple> <name>", {}),
    ("pip", "`.netrc`", f"{_NETRC}{_PIP} --index-url <simple> <name>", {}),
    ("pip", "a keyring", f"{_STORE}{_PIP} {_FROM_KEYRING} --index-url <named simple> <name>", _A_KEYRING),
    ("uv", "the URL", f"{_UV} --index <keyed simple> <name>", {}),
    ("uv", "`.netrc`", f"{_NETRC}{_UV} --index <simple> <name>", {}),
    ("uv", "a keyring", f"{_STORE}{_UV} {_FROM_KEYRING} --index <named simple> <name>", _A_KEYRING),
    ("uv", "the environment", f"{_UV} <name>", _BY_NAME),
)
READERS = tuple(Reader(name, VERSIONS[name], way, line, settings) for name, way, line, settings in _WAYS)


def filled(text: str, front: Front, key: str) -> str:
    """A line or a setting with everything in its place."""
    places = {
        "<url>": front.url,
        "<simple>": front.simple,
        "<keyed url>": with_credentials(front.url, "__token__", key),
        "<keyed simple>": with_credentials(front.simple, "__token__", key),
        "<named simple>": front.simple.replace("//", "//__token__@", 1),
        "<host>": f"{front.proxy.address[0]}:{front.proxy.address[1]}",
        "<key>": key,
    }
    for place, value in places.items():
        text = text.replace(place, value)
    return text


def writers_table() -> str:
    """The README's table of those who upload."""
    head = ("", "version", *FLAVOURS, "same bytes again", "other bytes, told to skip", "a refusal shows", "exit code")
    return _table(head, *(writer.cells for writer in WRITERS))


def readers_table() -> str:
    """The README's table of those who install."""
    rows = []
    for name, said in OUT_OF_REACH.items():
        ways = ", ".join(reader.way for reader in READERS if reader.name == name)
        rows.append((name, VERSIONS[name], *("yes" for _ in FLAVOURS), ways, f"`{said}`", "1"))
    return _table(("", "version", *FLAVOURS, "the key in", "a project out of reach shows", "exit code"), *rows)


def _table(*rows: Sequence[str]) -> str:
    lines = [" | ".join(row) for row in (rows[0], ["---"] * len(rows[0]), *rows[1:])]
    return "".join(f"| {line} |\n" for line in lines)
