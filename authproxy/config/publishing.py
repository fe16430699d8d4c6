"""The keys of `publishers` and `trusted_publishing`, and how their single values are read.

Which keys a kind of publisher takes is not said here but in the table of `authproxy.domain.publisherkinds`; what takes
more than one key to judge stands in `authproxy.config.publishers`.
"""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, PlainValidator
from pydantic import WithJsonSchema as Schema

from authproxy.config import values
from authproxy.config.fields import STRICT, Indexes, NetworkText, PatternText, default, text
from authproxy.config.settings import Algorithm
from authproxy.domain.effects import period
from authproxy.domain.publisherkinds import KINDS, PublisherKind
from authproxy.domain.publishers import LIFETIME, LONGEST, SHORTEST

# No name of a repository, an environment, a file or a ref is longer.
TEXT_LIMIT: Final = 255

_REPOSITORY: Final = r"[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._-]+"
_PROJECT: Final = r"[A-Za-z0-9_.][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.][A-Za-z0-9_.-]*)+"
_WORKFLOW: Final = r"[^/@\x00-\x1f]+\.ya?ml"
_PIPELINE: Final = r"[^/@\x00-\x1f][^@\x00-\x1f]*\.ya?ml"
_REF: Final = r"refs/[!-~]+"
_NUMBER: Final = r"[0-9]{1,40}"
_EMAIL: Final = r"[!-?A-~]+@[!-?A-~]+"
_ISSUER: Final = r"https://[a-z0-9][a-z0-9.-]*(?::[1-9][0-9]{0,4})?(?:/[!\"$-.0->A-~]+)*/?"
_WORD: Final = r"[!-~]+"


def _reads(pattern: str, takes: str) -> Callable[[object], str]:
    compiled = re.compile(pattern)

    def read(value: object) -> str:
        if not isinstance(value, str) or len(value) > TEXT_LIMIT or not compiled.fullmatch(value):
            raise ValueError(f"it takes {takes}")
        return value

    return read


def _number(value: object) -> str:
    """Read an id. Issuers write them as text, and people as numbers."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return _reads(_NUMBER, "the number that the name stands for, as in 123456")(text)


def _environment(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > TEXT_LIMIT or not value.isprintable():
        raise ValueError("it takes the name of an environment, as in pypi")
    return value


def _lifetime(value: object) -> int:
    seconds = values.duration(value)
    if not SHORTEST <= seconds <= LONGEST:
        raise ValueError(f"it takes {period(SHORTEST)} to {period(LONGEST)}: minted keys are for one job")
    return seconds


def issuer_url(value: object) -> str:
    """Read an issuer's URL. It is compared to the letter, so that it comes back as it stands."""
    read = _reads(_ISSUER, "an https URL in lower case, without ? and #, as in https://gitlab.example.com")(value)
    try:
        _ = urlsplit(read).port
    except ValueError:
        raise ValueError("it takes a port of 65535 at most") from None
    return read


def _foreign(kind: PublisherKind) -> list[str]:
    """The keys of the other kinds."""
    theirs = (key for table in KINDS.values() for key in table.keys)
    return [key for key in dict.fromkeys(theirs) if key not in KINDS[kind].keys]


def _kind_schema(kind: PublisherKind) -> dict[str, Any]:
    then: dict[str, Any] = {"required": list(KINDS[kind].needed)}
    then["not"] = {"anyOf": [{"required": [key]} for key in _foreign(kind)]}
    return {"if": {"properties": {"kind": {"const": str(kind)}}}, "then": then}


Repository = Annotated[
    str | None,
    PlainValidator(_reads(_REPOSITORY, "OWNER/REPOSITORY, as in acme/core")),
    text(_REPOSITORY, "acme/core"),
]
Workflow = Annotated[
    str | None,
    PlainValidator(_reads(_WORKFLOW, "the name of a file in .github/workflows, without the directory: release.yml")),
    text(r"[^/@]+\.ya?ml", "release.yml"),
]
Project = Annotated[
    str | None,
    PlainValidator(_reads(_PROJECT, "GROUP/PROJECT, with all groups above it, as in acme/core")),
    text(_PROJECT, "acme/core", "acme/python/core"),
]
Pipeline = Annotated[
    str | None,
    PlainValidator(_reads(_PIPELINE, "the path of the top-level pipeline file in the project, as in .gitlab-ci.yml")),
    text(r"[^/@][^@]*\.ya?ml", ".gitlab-ci.yml"),
]
Email = Annotated[
    str | None, PlainValidator(_reads(_EMAIL, "the email of a service account")), text(r"[^@]+@[^@]+", "ci@a.example")
]
Environment = Annotated[
    str | None, PlainValidator(_environment), Schema({"type": "string", "minLength": 1, "examples": ["pypi"]})
]
Ref = Annotated[
    str,
    PlainValidator(_reads(_REF, "a whole ref, * for any run of characters: refs/heads/main, refs/tags/v*")),
    text(_REF, "refs/heads/main", "refs/tags/v*"),
]
Number = Annotated[
    str | None,
    PlainValidator(_number),
    Schema({"anyOf": [{"type": "string", "pattern": f"^{_NUMBER}$"}, {"type": "integer", "minimum": 0}]}),
]
Url = Annotated[str | None, PlainValidator(issuer_url), text("https://[^?#@]+", "https://gitlab.example.com")]
Minted = Annotated[int, PlainValidator(_lifetime), text(values.DURATION.pattern, "15m", "1h", "6h")]
Audience = Annotated[
    str, PlainValidator(_reads(_WORD, "a word without spaces, as in pypi.example.com")), text(_WORD, "pypi.example.com")
]
# Each claim is read where its place is known (`authproxy.config.publishers`).
ClaimTable = Annotated[
    Any, Schema({"type": "object", "minProperties": 1, "examples": [{"pipeline_slug": "core", "build_tag": "v*"}]})
]


class PublisherSection(BaseModel):
    """A CI's job that gets a key for a few minutes, for the token that its issuer gives it."""

    model_config = STRICT | {"json_schema_extra": {"allOf": [_kind_schema(kind) for kind in PublisherKind]}}

    kind: Annotated[PublisherKind, Field(strict=False)]
    """Whose tokens: GitHub's, GitLab's, Google's, or those of any other issuer of OpenID Connect."""
    packages: Annotated[list[PatternText], Field(min_length=1)]
    """What its keys may upload; * stands for any run of characters."""
    indexes: Indexes = None
    """To which of devpi's indexes; to all of them where this is left out."""
    create: bool = False
    """Whether they may make a project that the index does not have. Unused for 30 days, such a publisher ends."""
    lifetime: Minted = default(LIFETIME, "15m")
    """How long a key lives: 15m to 6h."""
    networks: list[NetworkText] = []
    """From where its keys may be used; from everywhere where this is left out."""
    issuer: Url = None
    """The issuer's URL as its tokens write it: of a GitLab or a GitHub of your own, or of kind oidc."""
    claims: ClaimTable = None
    """Claims and what they must be: one value, or a list of them; * stands for any run of characters."""
    repository: Repository = None
    """Of GitHub: OWNER/REPOSITORY, in upper or lower case."""
    workflow: Workflow = None
    """Of GitHub: the file in .github/workflows that the job stands in."""
    repository_id: Number = None
    """Of GitHub: the repository's number; pinned at first use where this is left out."""
    repository_owner_id: Number = None
    """Of GitHub: the owner's number; pinned at first use where this is left out."""
    project: Project = None
    """Of GitLab: GROUP/PROJECT, in upper or lower case."""
    pipeline: Pipeline = None
    """Of GitLab: the top-level pipeline file."""
    project_id: Number = None
    """Of GitLab: the project's number; pinned at first use where this is left out."""
    namespace_id: Number = None
    """Of GitLab: the group's number; pinned at first use where this is left out."""
    environment: Environment = None
    """Of GitHub and GitLab: the environment that the job is for; any or none where this is left out."""
    refs: list[Ref] = []
    """Of GitHub and GitLab: the branches or tags that it may run for; all where this is left out."""
    ref_protected: bool = False
    """Of GitHub and GitLab: whether the branch or tag must be a protected one."""
    email: Email = None
    """Of Google: the service account's email."""
    sub: Number = None
    """Of Google: the service account's number; pinned at first use where this is left out."""


class IssuerSection(BaseModel):
    """What of an issuer is not as usual. A token has no say in it."""

    model_config = STRICT

    algorithms: Annotated[list[Annotated[Algorithm, Field(strict=False)]], Field(min_length=1)] = [Algorithm.RS256]
    """What it signs with."""
    audience: Audience | None = None
    """What its tokens have as aud, where a job cannot choose; trusted_publishing.audience where this is left out."""
    audience_in_list: bool = False
    """Whether it writes aud as a list of one, as Kubernetes does."""
    keys_url: Url = None
    """Where its keys are, where it has no discovery document that says so."""
    ca_file: Annotated[str, Field(min_length=1)] | None = None
    """The certificates that vouch for it, in PEM, in place of the system's."""


class TrustedPublishingSection(BaseModel):
    """What holds for all publishers."""

    model_config = STRICT

    audience: Audience | None = None
    """What tokens are for: the host of public_url where this is left out. No two installations may share it."""
    issuers: dict[Annotated[str, AfterValidator(issuer_url)], IssuerSection] = {}
    """Issuers that are not as usual, by URL."""
    attestation_root: Annotated[str, Field(min_length=1)] | None = None
    """Sigstore's trusted root (trusted_root.json), by which attestations are verified; left out: none is."""
