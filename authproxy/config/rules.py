"""The keys of the file that say who may do what: key policies, package rules, and the index's own passwords."""

from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, Field, PlainValidator, model_validator

from authproxy.config import values
from authproxy.config.fields import (
    STRICT,
    Count,
    Idle,
    Indexes,
    Lifetime,
    MaybeRate,
    MaybeSize,
    NetworkText,
    PatternText,
    VersionText,
    text,
)
from authproxy.domain.attestations import AttestationRule
from authproxy.domain.grants import MAKING, Action
from authproxy.domain.names import Filetype
from authproxy.domain.passwords import NO_PASSWORDS, Passwords
from authproxy.domain.rules import MetadataCheck, Overwrite, Requirement


class _Section(BaseModel):
    model_config = STRICT


class GrantSection(_Section):
    """Some actions on some packages."""

    actions: Annotated[list[Annotated[Action, Field(strict=False)]], Field(min_length=1)]
    """What may be done."""
    packages: Annotated[list[PatternText], Field(min_length=1)]
    """To which packages; * stands for any run of characters."""
    indexes: Indexes = None
    """In which of devpi's indexes; in all of them where this is left out."""
    create: bool = False
    """Whether an upload or a push may make a project that the index does not have yet."""

    @model_validator(mode="after")
    def _create_is_about_uploads(self) -> Self:
        if self.create and MAKING.isdisjoint(self.actions):
            raise ValueError("create is about uploads and pushes: add one to the actions, or take create out")
        return self


class KeyPolicySection(_Section):
    """What the keys that name this policy may do."""

    allow: Annotated[list[GrantSection], Field(min_length=1)]
    """What is granted; everything else is refused."""
    lifetime: Lifetime = None
    """How long a key of this policy may live at most; keys.lifetime where this is left out."""
    pause_unused: Idle = None
    """After how long without a use the server pauses a key; keys.pause_unused where this is left out."""
    networks: list[NetworkText] = []
    """From where the keys may be used; from everywhere where this is left out."""
    uses: Count | None = None
    """How many uploads each key is good for; any number where this is left out."""
    rate: MaybeRate = None
    """How many uploads each key may make in a second, minute, hour or day."""


class PasswordSection(_Section):
    """The index's own passwords, while people move over to keys."""

    uploads: Annotated[Passwords, Field(strict=False)] = NO_PASSWORDS.uploads
    """What becomes of an upload with one, where the package's rule says nothing else."""
    until: Annotated[date | None, PlainValidator(values.day), text(values.DAY_TEXT.pattern, "2027-01-31")] = None
    """The last day on which they are taken, whatever a rule says; no end where this is left out."""


class PackageSection(_Section):
    """What holds for some packages, whoever asks. The first section that matches decides."""

    match: PatternText
    """Which packages."""
    indexes: Indexes = None
    """In which of devpi's indexes; in all of them where this is left out."""
    require: Annotated[Requirement, Field(strict=False)] = Requirement.KEY
    """Who may upload, push or delete."""
    filetypes: Annotated[list[Annotated[Filetype, Field(strict=False)]], Field(min_length=1)] = list(Filetype)
    """Which files are taken."""
    max_size: MaybeSize = None
    """How large a file may be; limits.max_upload holds in any case."""
    overwrite: Annotated[Overwrite, Field(strict=False)] = Overwrite.NEVER
    """Whether other bytes may take the place of a file that the index has."""
    versions: list[VersionText] = []
    """Which versions are taken: globs or PEP 440 specifiers, one of which must match; all where this is left out."""
    metadata: Annotated[MetadataCheck, Field(strict=False)] = MetadataCheck.VERIFY
    """Whether the name and version inside the file must be those of its filename."""
    attestations: Annotated[AttestationRule, Field(strict=False)] = AttestationRule.ALLOW
    """Whether an upload has to carry an attestation of a publisher of the package (PEP 740)."""
    passwords: Annotated[Passwords | None, Field(strict=False)] = None
    """What becomes of an upload with the index's own password; passwords.uploads where this is left out."""
    enforce: bool = True
    """false: on trial, what it would refuse is put on record, and the next rule that matches decides."""
