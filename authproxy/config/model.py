"""The keys of the file: which there are, what each takes, and what holds where one is left out.

pydantic reads them, strictly, and makes the JSON Schema from the same lines; the text under a key is its description
there. What takes more than one key to judge stands in `authproxy.config.checks`.
"""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from authproxy.config import values
from authproxy.config.fields import (
    SECRET_SCHEMA,
    STORE_SCHEMA,
    STRICT,
    AddressText,
    Count,
    Duration,
    Idle,
    Indexes,
    Lifetime,
    PolicyName,
    ProxyText,
    Size,
    SocketMode,
    TlsPair,
    UploadTimeout,
    WebhookUrl,
    WorkerCount,
    default,
    text,
)
from authproxy.config.leaks import NOBODYS, LeakReportsSection
from authproxy.config.publishing import PublisherSection, TrustedPublishingSection
from authproxy.config.rules import KeyPolicySection, PackageSection, PasswordSection
from authproxy.config.settings import (
    Address,
    FlavourName,
    KeySettings,
    Limits,
    LogFormat,
    LogLevel,
    LogSettings,
    Opens,
    Reads,
    SecretReference,
    ThrottleSettings,
    Timeouts,
)
from authproxy.domain.events import Event
from authproxy.domain.rules import MetadataCheck

_KEYS: Final = KeySettings()
_LIMITS: Final = Limits()
_LOG: Final = LogSettings()
_THROTTLE: Final = ThrottleSettings()
_TIMEOUTS: Final = Timeouts()

# Plain words that YAML 1.1 reads as booleans and that are values of ours all the same.
WORDS: Final = frozenset({("metadata", str(MetadataCheck.OFF))})


class _Section(BaseModel):
    """What holds for every mapping of the file: no key that is not named here, no value of another type."""

    model_config = STRICT


class TimeoutSection(_Section):
    """How long the index may take."""

    connect: Duration = default(_TIMEOUTS.connect, "5s")
    """To take a connection."""
    read: Duration = default(_TIMEOUTS.read, "1m")
    """To send the next piece of an answer."""
    upload: UploadTimeout = default(_TIMEOUTS.upload, "10m")
    """To take one upload and answer it; 30m at most."""


class BackendSection(_Section):
    """The index that stands behind the proxy."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"flavour": {"const": str(FlavourName.DEVPI)}}},
            "then": {"required": ["indexes"]},
            "else": {"not": {"anyOf": [{"required": ["indexes"]}, {"required": ["opens"]}]}},
        }
    )

    flavour: Annotated[FlavourName, Field(strict=False)]
    """Which index it is."""
    url: Annotated[str, PlainValidator(values.backend_url), text("https?://[^@]+", "http://127.0.0.1:8081/")]
    """Where it listens. Clients must not reach it but through the proxy."""
    username: Annotated[str | None, PlainValidator(values.username), text("[!-9;-~]{1,200}", "authproxy")] = None
    """The proxy's own account there. Without one, the index takes uploads from everybody who reaches it."""
    password: Annotated[SecretReference | None, PlainValidator(values.secret_reference), SECRET_SCHEMA] = None
    """Where that account's password stands: {file: PATH}, {env: NAME} or {credential: NAME}."""
    indexes: Indexes = None
    """Which of devpi's indexes stand behind the proxy. pypiserver is one index and takes no list."""
    opens: list[Annotated[Opens, Field(strict=False)]] = []
    """What else devpi takes from users with its own passwords; nothing where this is left out."""
    read_back: bool = False
    """Whether an upload counts only once the index lists these very bytes, whatever it answered."""
    timeouts: TimeoutSection = TimeoutSection()
    """How long it may take."""


class KeySection(_Section):
    """What new keys look like."""

    prefix: Annotated[str, PlainValidator(values.key_prefix), text("[a-z][a-z0-9]{1,9}", "apx")] = _KEYS.prefix
    """What every key begins with."""
    lifetime: Lifetime = default(_KEYS.lifetime, "90d")
    """How long a key lives whose policy says nothing else."""
    pause_unused: Idle = default(_KEYS.pause_unused, values.NEVER)
    """After how long without a use the server pauses a key whose policy says nothing else."""
    master_key: Annotated[SecretReference | None, PlainValidator(values.secret_reference), SECRET_SCHEMA] = None
    """Where the key stands under which the store's secrets of derived keys are sealed; left out: there are none."""
    former_master_keys: list[Annotated[SecretReference, PlainValidator(values.secret_reference), SECRET_SCHEMA]] = []
    """Those before it, until `authproxy db rekey` has ended."""


class LimitSection(_Section):
    """What one upload may take."""

    max_upload: Size = default(_LIMITS.max_upload, "2GiB")
    """How large a file may be at all."""
    spool_memory: Size = default(_LIMITS.spool_memory, "1MiB")
    """How much of an upload is held in memory before it goes to a file in the state directory."""
    upload_deadline: Duration = default(_LIMITS.upload_deadline, "30m")
    """How long one upload may take to come in."""


class ThrottleSection(_Section):
    """When failed logins have to wait. A key that has worked since the start is never held up."""

    failures: Count = _THROTTLE.failures
    """How many an address, or a key, may have in the window."""
    window: Duration = default(_THROTTLE.window, "5m")
    """How long they are remembered."""


class RecordSection(_Section):
    """What was decided, and for how long that is kept."""

    keep: Annotated[int | None, PlainValidator(values.duration), text(values.DURATION.pattern, "400d", "10w")] = None
    """How old a row of the record may get; it is kept for ever where this is left out."""


class WebhookSection(_Section):
    """Who is told of some events, by signed messages."""

    name: PolicyName
    """What the command line, the log and the metrics call it."""
    url: WebhookUrl
    """Where the messages go, each by a POST of JSON."""
    secret: Annotated[SecretReference, PlainValidator(values.secret_reference), SECRET_SCHEMA]
    """Where the secret stands that they are signed with: {file: PATH}, {env: NAME} or {credential: NAME}."""
    events: Annotated[list[Annotated[Event, Field(strict=False)]], Field(min_length=1)]
    """Of what."""


class LogSection(_Section):
    """What the server writes about itself, on stderr."""

    level: Annotated[LogLevel, Field(strict=False)] = _LOG.level
    """What is worth a line."""
    format: Annotated[LogFormat, Field(strict=False)] = _LOG.format
    """JSON objects for a collector, or text for people."""


class FileSection(_Section):
    """The configuration of authproxy."""

    listen: AddressText = default(Address("127.0.0.1", 8080), "127.0.0.1:8080")
    """Where clients, or the TLS proxy before this one, connect: HOST:PORT, or unix:PATH."""
    socket_mode: SocketMode = default(0o660, "660")
    """The mode of that unix socket."""
    tls: TlsPair = None
    """The certificate and key to speak TLS with; no TLS where this is left out."""
    proxy_protocol: bool = False
    """Whether every connection begins with a PROXY protocol header. Only trusted_proxies may connect then."""
    workers: WorkerCount = 1
    """How many processes serve."""
    metrics: Annotated[Address | None, PlainValidator(values.address), text(".+:[0-9]{1,5}", "127.0.0.1:9100")] = None
    """Where Prometheus finds the metrics; nowhere where this is left out."""
    public_url: Annotated[str, PlainValidator(values.public_url), text("https?://[^@]+", "https://pypi.example.com/")]
    """The URL that clients use."""
    backend: BackendSection
    """The index."""
    store: Annotated[str, PlainValidator(values.store_url), STORE_SCHEMA]
    """The database of keys and of what was decided: a SQLite file, or PostgreSQL for several replicas."""
    store_password: Annotated[SecretReference | None, PlainValidator(values.secret_reference), SECRET_SCHEMA] = None
    """Where the password of the PostgreSQL user stands: {file: PATH}, {env: NAME} or {credential: NAME}."""
    store_grace: Annotated[int | None, PlainValidator(values.grace), text("[1-9][0-9]*[sm]", "30s")] = None
    """For how long keys that were used before still read while PostgreSQL is away; not at all if this is left out."""
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
    publishers: list[PublisherSection] = []
    """Whose CI gets a key for a few minutes, without any that it would have to keep."""
    trusted_publishing: TrustedPublishingSection = TrustedPublishingSection()
    """What holds for all publishers."""
    trusted_proxies: list[ProxyText] = []
    """Whose X-Forwarded-For, or PROXY protocol header, is believed; unix: of whoever may open our unix socket."""
    limits: LimitSection = LimitSection()
    """What one upload may take."""
    throttle: ThrottleSection = ThrottleSection()
    """When failed logins have to wait."""
    record: RecordSection = RecordSection()
    """What was decided, and for how long that is kept."""
    leak_reports: LeakReportsSection = NOBODYS
    """Who may report keys that were found where they do not belong."""
    webhooks: list[WebhookSection] = []
    """Who is told of what, by signed messages."""
    log: LogSection = LogSection()
    """What the server writes about itself."""
