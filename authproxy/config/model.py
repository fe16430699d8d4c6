"""The keys of the file: which there are, what each takes, and what holds where one is left out.

pydantic reads them, strictly, and makes the JSON Schema from the same lines; the text under a key is its description
there. What takes more than one key to judge stands in `authproxy.config.checks`.
"""

from datetime import date
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, model_validator
from pydantic import WithJsonSchema as Schema

from authproxy.config import values
from authproxy.config.settings import (
    Address,
    FlavourName,
    KeySettings,
    Limits,
    LogFormat,
    LogLevel,
    LogSettings,
    Network,
    Reads,
    SecretReference,
    SecretSource,
    ThrottleSettings,
    Timeouts,
)
from authproxy.domain.grants import MAKING, PATTERN_LIMIT, Action, Pattern
from authproxy.domain.names import Filetype
from authproxy.domain.passwords import NO_PASSWORDS, Passwords
from authproxy.domain.rules import MetadataCheck, Overwrite, Rate, Requirement, VersionPattern

_KEYS: Final = KeySettings()
_LIMITS: Final = Limits()
_LOG: Final = LogSettings()
_THROTTLE: Final = ThrottleSettings()
_TIMEOUTS: Final = Timeouts()

# Plain words that YAML 1.1 reads as booleans and that are values of ours all the same.
WORDS: Final = frozenset({("metadata", str(MetadataCheck.OFF))})

# A count that every integer column holds.
COUNT_LIMIT: Final = 2**31 - 1


def _text(pattern: str, *examples: str) -> Schema:
    return Schema({"type": "string", "pattern": f"^(?:{pattern})$", "examples": list(examples)})


def _default(value: Any, text: str) -> Any:
    """A default as the program has it, and as the file would say it."""
    return Field(default=value, json_schema_extra={"default": text})


_NETWORK_SCHEMA: Final = _text(r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?", "10.0.0.0/8", "2001:db8::/32", "192.0.2.1")
_SECRET_SCHEMA: Final = Schema(
    {
        "type": "object",
        "properties": {source: {"type": "string", "minLength": 1} for source in SecretSource},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
)
_SIZE_SCHEMA: Final = Schema(
    {
        "anyOf": [
            {"type": "string", "pattern": f"^(?:{values.SIZE.pattern})$"},
            {"type": "integer", "minimum": 1},
        ],
        "examples": ["200MiB", "1GB"],
    }
)

Duration = Annotated[int, PlainValidator(values.duration), _text(values.DURATION.pattern, "5s", "30m", "90d")]
UploadTimeout = Annotated[
    int, PlainValidator(values.upload_timeout), _text(values.DURATION.pattern, "90s", "10m", "30m")
]
Lifetime = Annotated[
    int | None,
    PlainValidator(values.lifetime),
    _text(f"{values.DURATION.pattern}|{values.NEVER}", "90d", values.NEVER),
]
Size = Annotated[int, PlainValidator(values.size), _SIZE_SCHEMA]
MaybeSize = Annotated[int | None, PlainValidator(values.size), _SIZE_SCHEMA]
MaybeRate = Annotated[Rate | None, PlainValidator(values.rate), _text(values.RATE.pattern, "10/hour")]
Count = Annotated[int, Field(ge=1, le=COUNT_LIMIT)]
NetworkText = Annotated[Network, PlainValidator(values.network), _NETWORK_SCHEMA]
ProxyText = Annotated[Network, PlainValidator(values.proxy_network), _NETWORK_SCHEMA]
AddressText = Annotated[
    Address, PlainValidator(values.address), _text(r".+:[0-9]{1,5}", "127.0.0.1:8080", "[::1]:8080")
]
PatternText = Annotated[
    Pattern,
    PlainValidator(values.package_pattern),
    Schema(
        {
            "type": "string",
            "pattern": "^[A-Za-z0-9._*-]+$",
            "maxLength": PATTERN_LIMIT,
            "examples": ["acme-core", "acme-*", "*"],
        }
    ),
]
VersionText = Annotated[
    VersionPattern, PlainValidator(values.versions), Schema({"type": "string", "examples": ["1.*", ">=1.0,<2"]})
]
IndexText = Annotated[
    str, PlainValidator(values.devpi_index), _text(values.DEVPI_INDEX.pattern, "team/dev", "root/prod")
]
Indexes = Annotated[list[IndexText], Field(min_length=1)] | None
PolicyName = Annotated[str, AfterValidator(values.policy_name)]


class _Section(BaseModel):
    """What holds for every mapping of the file: no key that is not named here, no value of another type."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


class TimeoutSection(_Section):
    """How long the index may take."""

    connect: Duration = _default(_TIMEOUTS.connect, "5s")
    """To take a connection."""
    read: Duration = _default(_TIMEOUTS.read, "1m")
    """To send the next piece of an answer."""
    upload: UploadTimeout = _default(_TIMEOUTS.upload, "10m")
    """To take one upload and answer it; 30m at most."""


class BackendSection(_Section):
    """The index that stands behind the proxy."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"flavour": {"const": str(FlavourName.DEVPI)}}},
            "then": {"required": ["indexes"]},
            "else": {"not": {"required": ["indexes"]}},
        }
    )

    flavour: Annotated[FlavourName, Field(strict=False)]
    """Which index it is."""
    url: Annotated[str, PlainValidator(values.backend_url), _text("https?://[^@]+", "http://127.0.0.1:8081/")]
    """Where it listens. Clients must not reach it but through the proxy."""
    username: Annotated[str | None, PlainValidator(values.username), _text("[!-9;-~]{1,200}", "authproxy")] = None
    """The proxy's own account there. Without one, the index takes uploads from everybody who reaches it."""
    password: Annotated[SecretReference | None, PlainValidator(values.secret_reference), _SECRET_SCHEMA] = None
    """Where that account's password stands: {file: PATH}, {env: NAME} or {credential: NAME}."""
    indexes: Indexes = None
    """Which of devpi's indexes stand behind the proxy. pypiserver is one index and takes no list."""
    timeouts: TimeoutSection = TimeoutSection()
    """How long it may take."""


class KeySection(_Section):
    """What new keys look like."""

    prefix: Annotated[str, PlainValidator(values.key_prefix), _text("[a-z][a-z0-9]{1,9}", "apx")] = _KEYS.prefix
    """What every key begins with."""
    lifetime: Lifetime = _default(_KEYS.lifetime, "90d")
    """How long a key lives whose policy says nothing else."""


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
    until: Annotated[date | None, PlainValidator(values.day), _text(values.DAY_TEXT.pattern, "2027-01-31")] = None
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
    passwords: Annotated[Passwords | None, Field(strict=False)] = None
    """What becomes of an upload with the index's own password; passwords.uploads where this is left out."""


class LimitSection(_Section):
    """What one upload may take."""

    max_upload: Size = _default(_LIMITS.max_upload, "2GiB")
    """How large a file may be at all."""
    spool_memory: Size = _default(_LIMITS.spool_memory, "1MiB")
    """How much of an upload is held in memory before it goes to a file in the state directory."""
    upload_deadline: Duration = _default(_LIMITS.upload_deadline, "30m")
    """How long one upload may take to come in."""


class ThrottleSection(_Section):
    """When failed logins have to wait. A key that has worked since the start is never held up."""

    failures: Count = _THROTTLE.failures
    """How many an address, or a key, may have in the window."""
    window: Duration = _default(_THROTTLE.window, "5m")
    """How long they are remembered."""


class LogSection(_Section):
    """What the server writes about itself, on stderr."""

    level: Annotated[LogLevel, Field(strict=False)] = _LOG.level
    """What is worth a line."""
    format: Annotated[LogFormat, Field(strict=False)] = _LOG.format
    """JSON objects for a collector, or text for people."""


class FileSection(_Section):
    """The configuration of authproxy."""

    listen: AddressText = _default(Address("127.0.0.1", 8080), "127.0.0.1:8080")
    """Where clients, or the TLS proxy before this one, connect."""
    metrics: Annotated[Address | None, PlainValidator(values.address), _text(".+:[0-9]{1,5}", "127.0.0.1:9100")] = None
    """Where Prometheus finds the metrics; nowhere where this is left out."""
    public_url: Annotated[str, PlainValidator(values.public_url), _text("https?://[^@]+", "https://pypi.example.com/")]
    """The URL that clients use."""
    backend: BackendSection
    """The index."""
    store: Annotated[str, PlainValidator(values.store_url), _text("sqlite:///.+", "sqlite:///authproxy.db")]
    """The database of keys and of what was decided."""
    state_directory: Annotated[str, Field(min_length=1)] | None = None
    """Where uploads are spooled; beside the database where this is left out."""
    reads: Annotated[Reads, Field(strict=False)] = Reads.INDEX
    """Who decides about reading."""
    passwords: PasswordSection = PasswordSection()
    """Whether the index's own passwords still upload."""
    keys: KeySection = KeySection()
    """What new keys look like."""
    key_policies: dict[PolicyName, KeyPolicySection] = {}
    """What keys may do."""
    packages: list[PackageSection] = []
    """What holds for packages, whoever asks: the first that matches. No match, no upload, no push, no delete."""
    trusted_proxies: list[ProxyText] = []
    """Whose X-Forwarded-For is believed."""
    limits: LimitSection = LimitSection()
    """What one upload may take."""
    throttle: ThrottleSection = ThrottleSection()
    """When failed logins have to wait."""
    log: LogSection = LogSection()
    """What the server writes about itself."""
