"""What the file says, read and frozen: the only shape in which the rest of the program meets the configuration.

Every value is checked, every relative path is absolute, every secret is read. Sizes are in bytes, times in seconds.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from urllib.parse import urlsplit

from authproxy.config.problem import Problem
from authproxy.config.reporters import LeakReports
from authproxy.domain.events import Event
from authproxy.domain.grants import Action
from authproxy.domain.policy import Policy

Network = IPv4Network | IPv6Network

MINUTE = 60
DAY = 24 * 60 * MINUTE
MIB = 1024 * 1024

# `reads: key` in a file that lets no key read: it is no mistake of one line, so the server starts with it.
NOBODY_READS = "reads is key, and no key policy grants read: nobody can install"
LET_READ = "add {actions: [read], packages: [...]} to one"


class FlavourName(StrEnum):
    """Which index stands behind the proxy."""

    PYPISERVER = "pypiserver"
    DEVPI = "devpi"


class Opens(StrEnum):
    """What devpi takes besides packages, and the proxy passes on where it is named."""

    INDEXES = "indexes"
    USERS = "users"
    TOX_RESULTS = "tox-results"


class Reads(StrEnum):
    """Who decides about reading: the index, by the reader's own credentials; nobody; or we, by read grants."""

    INDEX = "index"
    OPEN = "open"
    KEY = "key"


class LogLevel(StrEnum):
    """What is worth a line."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line looks: one JSON object for a collector, text for people."""

    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener binds. Port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """Where a listener binds in the file system."""

    path: str  # absolute

    def __str__(self) -> str:
        return f"unix:{self.path}"


class SecretSource(StrEnum):
    """Where a secret may stand: never in the configuration itself."""

    FILE = "file"
    ENV = "env"
    CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Which secret: a path, the name of an environment variable, or of a systemd credential."""

    source: SecretSource
    name: str


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The chain and the private key, both in PEM, and how the configuration names them."""

    certificate: Path
    key: Path
    certificate_from: SecretReference
    key_from: SecretReference


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the index may take, in seconds."""

    connect: int = 5
    read: int = MINUTE  # silence between two pieces of an answer
    upload: int = 10 * MINUTE  # one whole upload, its answer included


@dataclass(frozen=True, slots=True)
class BackendSettings:
    """The index and how we log in to it."""

    flavour: FlavourName
    url: str  # with a final slash
    username: str | None
    password: str | None = field(repr=False)
    password_from: SecretReference | None
    timeouts: Timeouts
    indexes: tuple[str, ...] = ()  # of devpi: "user/index", where uploads may go
    opens: tuple[Opens, ...] = ()
    read_back: bool = False  # an upload counts once the index lists these bytes, and not once it says so


@dataclass(frozen=True, slots=True)
class KeySettings:
    """What new keys look like."""

    prefix: str = "apx"
    lifetime: int | None = 90 * DAY  # of a key whose policy says nothing else; None: they need not expire
    pause_unused: int | None = None  # seconds without a use, where the policy says nothing else; None: never


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """Under what the MAC keys of derived keys are sealed: the one in use, and what was sealed under before."""

    current: bytes | None = field(default=None, repr=False)  # None: there is none, or it was not read
    former: tuple[bytes, ...] = field(default=(), repr=False)
    current_from: SecretReference | None = None
    former_from: tuple[SecretReference, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one upload may take."""

    max_upload: int = 2048 * MIB  # bytes of the file
    spool_memory: int = MIB  # bytes of an upload held in memory before it goes to a file
    upload_deadline: int = 30 * MINUTE  # from the first byte of the body to the last


@dataclass(frozen=True, slots=True)
class ThrottleSettings:
    """How many failed logins an address or a key may have in `window` seconds."""

    failures: int = 10
    window: int = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """For how long the record of decisions is kept."""

    keep: int | None = None  # seconds; None: for ever


@dataclass(frozen=True, slots=True)
class Webhook:
    """Who is told of which events, and how the message is signed."""

    name: str
    url: str
    secret: bytes | None = field(repr=False)  # None: it was not read
    secret_from: SecretReference
    events: frozenset[Event]


class Algorithm(StrEnum):
    """What an issuer of tokens may sign with."""

    RS256 = "RS256"
    ES256 = "ES256"
    ES384 = "ES384"
    EDDSA = "EdDSA"


@dataclass(frozen=True, slots=True)
class IssuerSettings:
    """An issuer whose tokens are taken, and what of it is not as usual."""

    url: str  # what `iss` has to say, to the letter
    algorithms: frozenset[Algorithm] = frozenset({Algorithm.RS256})
    audience: str | None = None  # None: that of the installation
    audience_in_list: bool = False
    keys_url: str | None = None  # None: its discovery document says
    ca_file: Path | None = None  # absolute


@dataclass(frozen=True, slots=True)
class TrustedPublishing:
    """What holds for all trusted publishers. It is on where there are any."""

    audience: str = ""
    issuers: tuple[IssuerSettings, ...] = ()  # each one that a publisher names, once
    attestation_root: Path | None = None  # absolute; None: attestations are not verified


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What the server writes about itself."""

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.JSON


@dataclass(frozen=True, slots=True)
class Config:
    """One configuration, whole and checked."""

    file: Path  # where it was read from
    listen: Address | UnixAddress
    metrics: Address | None
    public_url: str  # "https://host[:port]/"
    backend: BackendSettings
    store: str  # "sqlite:////absolute/path", or "postgresql://user@host/database?sslmode=..."
    state_directory: Path
    reads: Reads
    keys: KeySettings
    policy: Policy
    trusted_proxies: tuple[Network, ...]
    limits: Limits
    throttle: ThrottleSettings
    record: RecordSettings
    log: LogSettings
    webhooks: tuple[Webhook, ...] = ()
    masters: MasterKeys = MasterKeys()
    trusted_publishing: TrustedPublishing = TrustedPublishing()
    leak_reports: LeakReports = field(default_factory=LeakReports)
    store_password: str | None = field(default=None, repr=False)  # of the PostgreSQL user
    store_password_from: SecretReference | None = None
    store_grace: int = 0  # seconds for which a lost database is bridged for those who read
    socket_mode: int = 0o660  # of a unix socket
    tls: TlsFiles | None = None
    proxy_protocol: bool = False
    workers: int = 1
    warnings: tuple[Problem, ...] = ()  # what works, and ought to be mended all the same

    @property
    def nobody_reads(self) -> bool:
        """Whether a key is asked of readers, and there can be none that reads."""
        grants = [grant for each in self.policy.key_policies.values() for grant in each.allow]
        return self.reads is Reads.KEY and not any(Action.READ in grant.actions for grant in grants)

    @property
    def wanted(self) -> dict[str, frozenset[Event]]:
        """Which webhook wants to know what, by its name."""
        return {webhook.name: webhook.events for webhook in self.webhooks}

    @property
    def public_scheme(self) -> str:
        """`http` or `https`, as clients see us."""
        return urlsplit(self.public_url).scheme

    @property
    def public_host(self) -> str:
        """The host, and the port where it is not the scheme's own, as clients see us."""
        return urlsplit(self.public_url).netloc
