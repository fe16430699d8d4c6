"""What each client has to be told to work with this proxy: a table of texts, filled with one place.

Pure. A key never stands in what comes out, only the variable that holds it. A file whose syntax has no variables leaves
the key out and says in a comment from where its client takes it; lines of a comment that are indented by three spaces
are for a shell. Every row is tested with the real client. Where a job of CI gets its key for its ID token there is
none to leave out.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from authproxy.cli import clienttexts as texts
from authproxy.cli import jobtexts

# The variable that holds the key, in shells, secrets and CI variables alike.
KEY: Final = "AUTHPROXY_KEY"


class Purpose(StrEnum):
    """What a client is to do."""

    UPLOAD = "upload"
    READ = "read"


UPLOAD: Final = frozenset({Purpose.UPLOAD})
READ: Final = frozenset({Purpose.READ})
BOTH: Final = UPLOAD | READ


@dataclass(frozen=True, slots=True)
class Place:
    """Where clients go. Both URLs end with a slash. `audience` is for whom the ID tokens of a job have to be."""

    upload: str
    simple: str
    audience: str

    @property
    def machine(self) -> str:
        """The host as .netrc names it: without a port."""
        return urlsplit(self.simple).hostname or ""

    @property
    def variable(self) -> str:
        """The variable in which clients look for an ID token on GitLab, but for uv."""
        from authproxy.client.citokens import variable_of

        return variable_of(self.audience)

    @property
    def uv_variable(self) -> str:
        """The one in which uv does."""
        from authproxy.client.citokens import uv_variable_of

        return uv_variable_of(self.audience)

    def simple_with(self, secret: str) -> str:
        """The URL to read from with credentials in it; `secret` is the variable as it is written there."""
        return self.simple.replace("://", f"://__token__:{secret}@", 1)


def place(url: str, index: str | None, audience: str | None = None) -> Place:
    """Where clients of a proxy go. `url` is public, with a final slash; `index` is one of devpi's, as in team/dev.

    `audience` is that of the configuration; without one the host, as in a configuration that names none.
    """
    wanted = audience or urlsplit(url).netloc
    if index is None:
        return Place(url, f"{url}simple/", wanted)
    return Place(f"{url}{index}/", f"{url}{index}/+simple/", wanted)


@dataclass(frozen=True, slots=True)
class Form:
    """One way to tell a client: a file, or lines for a shell where `file` is None.

    `blocks` are the pieces of the text, in their order, each with the purposes that need it.
    """

    file: str | None
    blocks: tuple[tuple[frozenset[Purpose], str], ...]

    @property
    def purposes(self) -> frozenset[Purpose]:
        """What the client can be told in this way."""
        return frozenset[Purpose]().union(*(needed_for for needed_for, _ in self.blocks))

    def written(self, at: Place, purposes: frozenset[Purpose]) -> str:
        """The whole file, or all the lines, for these purposes."""
        secret = f"${{{{ secrets.{KEY} }}}}"  # as GitHub writes it
        values = {
            "<upload>": at.upload,
            "<simple>": at.simple,
            "<simple with key>": at.simple_with(f"${KEY}"),
            "<simple with secret>": at.simple_with(secret),
            "<secret>": secret,
            "<machine>": at.machine,
            "<audience>": json.dumps(at.audience),  # which YAML reads as it is meant
            "<variable>": at.variable,
            "<uv variable>": at.uv_variable,
            "<key>": KEY,
        }
        text = "".join(block for needed_for, block in self.blocks if needed_for & purposes)
        return re.sub(r"<[a-z ]+>", lambda found: values[found[0]], text)


def _pypirc(client: str, variable: str, command: str) -> Form:
    named = {"CLIENT": client, "VARIABLE": variable, "COMMAND": command}
    return Form(".pypirc", ((UPLOAD, re.sub("|".join(named), lambda found: named[found[0]], texts.PYPIRC)),))


_RELEASE: Final = ".github/workflows/release.yml"
_PIPELINE: Final = ".gitlab-ci.yml"
_NETRC: Final = Form(None, ((READ, texts.NETRC),))

# client: its forms by name. What is printed where nobody asks for another stands first.
CLIENTS: Final[Mapping[str, Mapping[str, Form]]] = MappingProxyType(
    {
        "pip": {
            "conf": Form("pip.conf", ((READ, texts.PIP_CONF),)),
            "env": Form(None, ((READ, texts.PIP_ENV),)),
            "netrc": _NETRC,
        },
        "uv": {
            "env": Form(None, ((UPLOAD, texts.UV_ENV_UPLOAD), (READ, texts.UV_ENV_READ))),
            "pyproject": Form(
                "pyproject.toml",
                (
                    (BOTH, texts.UV_FILE),
                    (UPLOAD, texts.UV_FILE_UPLOAD),
                    (BOTH, texts.UV_TABLE),
                    (UPLOAD, texts.UV_TABLE_UPLOAD),
                ),
            ),
            "netrc": _NETRC,
        },
        "twine": {
            "pypirc": _pypirc("twine", "TWINE_PASSWORD", "twine upload --repository authproxy dist/*"),
            "env": Form(None, ((UPLOAD, texts.TWINE_ENV),)),
        },
        "poetry": {
            "config": Form(
                None,
                ((UPLOAD, texts.POETRY_UPLOAD), (READ, texts.POETRY_READ), (BOTH, texts.POETRY_KEY)),
            ),
            "env": Form(
                None,
                ((UPLOAD, texts.POETRY_ENV_UPLOAD), (READ, texts.POETRY_READ), (BOTH, texts.POETRY_KEY)),
            ),
        },
        "flit": {
            "env": Form(None, ((UPLOAD, texts.FLIT_ENV),)),
            "pypirc": _pypirc("flit", "FLIT_PASSWORD", "flit publish --repository authproxy"),
        },
        "hatch": {
            "env": Form(None, ((UPLOAD, texts.HATCH_ENV),)),
            "config": Form("config.toml", ((UPLOAD, texts.HATCH_FILE),)),
        },
        "pdm": {
            "env": Form(None, ((UPLOAD, texts.PDM_ENV_UPLOAD), (READ, texts.PDM_ENV_READ))),
            "config": Form(None, ((UPLOAD, texts.PDM_CONFIG_UPLOAD), (READ, texts.PDM_CONFIG_READ))),
        },
        "github": {
            "trusted": Form(_RELEASE, ((UPLOAD, jobtexts.GITHUB_TRUSTED), (UPLOAD, jobtexts.GITHUB_TRUSTED_UV))),
            "twine": Form(_RELEASE, ((UPLOAD, jobtexts.GITHUB_TRUSTED), (UPLOAD, jobtexts.GITHUB_TRUSTED_TWINE))),
            "workflow": Form(
                ".github/workflows/authproxy.yml",
                ((BOTH, jobtexts.GITHUB), (READ, jobtexts.GITHUB_READ), (UPLOAD, jobtexts.GITHUB_UPLOAD)),
            ),
        },
        "gitlab": {
            "trusted": Form(_PIPELINE, ((UPLOAD, jobtexts.GITLAB_TRUSTED), (UPLOAD, jobtexts.GITLAB_TRUSTED_UV))),
            "twine": Form(_PIPELINE, ((UPLOAD, jobtexts.GITLAB_TRUSTED), (UPLOAD, jobtexts.GITLAB_TRUSTED_TWINE))),
            "job": Form(
                _PIPELINE, ((BOTH, jobtexts.GITLAB), (READ, jobtexts.GITLAB_READ), (UPLOAD, jobtexts.GITLAB_UPLOAD))
            ),
        },
    }
)
