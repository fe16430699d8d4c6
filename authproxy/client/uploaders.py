"""The upload clients that `authproxy exec` knows: how each is called, where it finds its files, and what it reads.

A table. In a setting `<key>` is the derived key, `<url>` where uploads go, `<NAME>` the repository's name as poetry
writes it into variables. A client that is not here can be given the key by `--env NAME`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from authproxy.client import uploaded
from authproxy.client.uploaded import PROJECT_FILE, Finder, above
from authproxy.client.words import Line, called, line


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Uploader:
    """One client.

    `places` say where it uploads to, in the order in which the client listens to them: options, and variables.
    `secrets` are options that hold credentials: with one of them the client would not listen to us.
    """

    name: str
    command: str
    finds: Finder
    values: frozenset[str]  # options that take a value
    flags: frozenset[str]  # the others that matter
    places: tuple[str, ...]
    secrets: tuple[str, ...]
    key: Mapping[str, str]  # what it reads the key from
    told: Mapping[str, str]  # what it reads the URL from
    appended: tuple[str, ...] = ()  # arguments that the URL takes besides
    cleared: tuple[str, ...] = ()  # variables that would contradict
    folders: tuple[str, ...] = ()  # options that say where it works
    roots: tuple[str, ...] = ()  # it looks for the project upwards, by these files
    abbreviates: bool = True  # as argparse does

    def read(self, arguments: tuple[str, ...]) -> Line:
        """Read its arguments."""
        return line(arguments, self.values, self.flags, abbreviates=self.abbreviates)

    def folder(self, read: Line, here: Path) -> Path:
        """Find the folder that it works in."""
        said = read.first(*self.folders)
        place = here / said if said else here
        place = place.parent if place.is_file() else place
        return above(place, *self.roots) if self.roots else place


def _credentials(prefix: str, user: str, secret: str) -> Mapping[str, str]:
    return MappingProxyType({f"{prefix}_{user}": "__token__", f"{prefix}_{secret}": "<key>"})


_ALL: Final = (
    Uploader(
        "twine",
        "upload",
        uploaded.twine,
        _set("-r --repository --repository-url --sign-with -i --identity -u --username -p --password")
        | _set("-c --comment --config-file --cert --client-cert"),
        _set("--attestations --sign --non-interactive --skip-existing --verbose --disable-progress-bar --help"),
        ("--repository-url", "TWINE_REPOSITORY_URL", "-r", "--repository", "TWINE_REPOSITORY"),
        ("-u", "--username", "-p", "--password"),
        _credentials("TWINE", "USERNAME", "PASSWORD"),
        {"TWINE_REPOSITORY_URL": "<url>"},
    ),
    Uploader(
        "uv",
        "publish",
        uploaded.uv,
        _set("--index -u --username -p --password -t --token --trusted-publishing --keyring-provider --publish-url")
        | _set("--check-url --cache-dir --color --allow-insecure-host --directory --project --config-file"),
        frozenset(),
        ("--publish-url", "--index", "UV_PUBLISH_URL", "UV_PUBLISH_INDEX"),
        ("-u", "--username", "-p", "--password", "-t", "--token"),
        {"UV_PUBLISH_TOKEN": "<key>"},
        {"UV_PUBLISH_URL": "<url>"},
        cleared=("UV_PUBLISH_USERNAME", "UV_PUBLISH_PASSWORD"),
        folders=("--directory",),
        abbreviates=False,
    ),
    Uploader(
        "poetry",
        "publish",
        uploaded.poetry,
        _set("-r --repository -u --username -p --password --cert --client-cert --dist-dir")
        | _set("-P --project -C --directory"),
        _set("--build --dry-run --skip-existing"),
        ("-r", "--repository"),
        ("-u", "--username", "-p", "--password"),
        {"POETRY_PYPI_TOKEN_<NAME>": "<key>"},  # poetry listens to this one first
        {"POETRY_REPOSITORIES_<NAME>_URL": "<url>"},
        appended=("--repository", "authproxy"),
        folders=("-P", "--project", "-C", "--directory"),
        roots=(PROJECT_FILE,),
        abbreviates=False,
    ),
    Uploader(
        "flit",
        "publish",
        uploaded.flit,
        _set("-f --ini-file --format --pypirc --repository"),
        _set("--use-vcs --no-use-vcs --debug"),
        ("--repository", "FLIT_INDEX_URL"),
        (),
        _credentials("FLIT", "USERNAME", "PASSWORD"),
        {"FLIT_INDEX_URL": "<url>"},
        folders=("-f", "--ini-file"),
    ),
    Uploader(
        "hatch",
        "publish",
        uploaded.hatch,
        _set("-r --repo -u --user -a --auth --ca-cert --client-cert --client-key -p --publisher -o --option -e --env")
        | _set("--project --data-dir --cache-dir --config"),
        frozenset(),
        ("-r", "--repo", "HATCH_INDEX_REPO"),
        ("-u", "--user", "-a", "--auth"),
        _credentials("HATCH_INDEX", "USER", "AUTH"),
        {"HATCH_INDEX_REPO": "<url>"},
        roots=(PROJECT_FILE, "setup.py"),
        abbreviates=False,
    ),
    Uploader(
        "pdm",
        "publish",
        uploaded.pdm,
        _set("-p --project -k --skip -r --repository -u --username -P --password -i --identity -c --comment -d --dest")
        | _set("--ca-certs --config"),
        _set("--no-build --sign --skip-existing --no-verify-ssl"),
        ("-r", "--repository", "PDM_PUBLISH_REPO"),
        ("-u", "--username", "-P", "--password"),
        _credentials("PDM_PUBLISH", "USERNAME", "PASSWORD"),
        {"PDM_PUBLISH_REPO": "<url>"},
        folders=("-p", "--project"),
        roots=(PROJECT_FILE,),
    ),
    Uploader(
        "devpi",
        "upload",
        uploaded.devpi,
        _set("--clientdir -p --python --formats --index"),
        _set("--from-dir --only-latest --dry-run --no-vcs --setupdir-only --with-docs --only-docs --sdist --wheel"),
        ("--index", "DEVPI_INDEX"),
        ("--clientdir",),
        {},  # it has a login, in a folder: see `devpi_login`
        {},
        cleared=("DEVPI_USER",),
    ),
)
UPLOADERS: Final[Mapping[str, Uploader]] = MappingProxyType({each.name: each for each in _ALL})


@dataclass(frozen=True, slots=True)
class Call:
    """A command that uploads: by which client, and what it says."""

    uploader: Uploader
    line: Line = field(repr=False)


def read_call(argv: tuple[str, ...]) -> Call | None:
    """Read a command; None for one that no client of the table uploads with."""
    name, *arguments = called(argv) or ("",)
    uploader = UPLOADERS.get(name)
    if uploader is None:
        return None
    read = uploader.read(tuple(arguments))
    return Call(uploader, read) if read.words[:1] == (uploader.command,) else None
