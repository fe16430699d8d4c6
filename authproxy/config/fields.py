"""The types of single values in the file: which reader takes each, and how the JSON Schema describes it."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator
from pydantic import WithJsonSchema as Schema

from authproxy.config import databases, listening, values
from authproxy.config.settings import Address, Network, SecretReference, SecretSource, UnixAddress
from authproxy.domain.grants import PATTERN_LIMIT, Pattern
from authproxy.domain.rules import Rate
from authproxy.domain.versions import VersionPattern

# Of every mapping: no key that is not named there, no value of another type.
STRICT: Final = ConfigDict(
    strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, use_attribute_docstrings=True
)
# A count that every integer column holds.
COUNT_LIMIT: Final = 2**31 - 1


def text(pattern: str, *examples: str) -> Schema:
    """Describe a text to the JSON Schema."""
    return Schema({"type": "string", "pattern": f"^(?:{pattern})$", "examples": list(examples)})


def default(value: Any, written: str) -> Any:
    """A default as the program has it, and as the file would say it."""
    return Field(default=value, json_schema_extra={"default": written})


_NETWORK_SCHEMA: Final = text(r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?", "10.0.0.0/8", "2001:db8::/32", "192.0.2.1")
STORE_SCHEMA: Final = text(
    r"sqlite:///.+|postgresql://[^@:]+@[^@]+",
    "sqlite:///authproxy.db",
    databases.EXAMPLE,
)
SECRET_SCHEMA: Final = Schema(
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

Duration = Annotated[int, PlainValidator(values.duration), text(values.DURATION.pattern, "5s", "30m", "90d")]
UploadTimeout = Annotated[
    int, PlainValidator(values.upload_timeout), text(values.DURATION.pattern, "90s", "10m", "30m")
]
Lifetime = Annotated[
    int | None,
    PlainValidator(values.lifetime),
    text(f"{values.DURATION.pattern}|{values.NEVER}", "90d", values.NEVER),
]
Idle = Annotated[
    int | None,
    PlainValidator(values.idle),
    text(f"{values.DURATION.pattern}|{values.NEVER}", "90d", values.NEVER),
]
Size = Annotated[int, PlainValidator(values.size), _SIZE_SCHEMA]
MaybeSize = Annotated[int | None, PlainValidator(values.size), _SIZE_SCHEMA]
MaybeRate = Annotated[Rate | None, PlainValidator(values.rate), text(values.RATE.pattern, "10/hour")]
Count = Annotated[int, Field(ge=1, le=COUNT_LIMIT)]
NetworkText = Annotated[Network, PlainValidator(values.network), _NETWORK_SCHEMA]
ProxyText = Annotated[
    Network,
    PlainValidator(listening.proxy),
    text(rf"[0-9A-Fa-f:.]+(?:/[0-9]{{1,3}})?|{listening.UNIX_PEERS}", "127.0.0.1", "10.0.0.0/8", listening.UNIX_PEERS),
]
AddressText = Annotated[
    Address | UnixAddress,
    PlainValidator(listening.listen),
    text(r".+:[0-9]{1,5}|unix:/.+", "127.0.0.1:8080", "[::1]:8080", "unix:/run/authproxy/authproxy.sock"),
]
SocketMode = Annotated[int, PlainValidator(listening.socket_mode), text(listening.MODE.pattern, "660")]
TlsPair = Annotated[tuple[SecretReference, SecretReference] | None, PlainValidator(listening.tls), listening.TLS_SCHEMA]
WorkerCount = Annotated[int, Field(ge=1, le=listening.WORKERS_LIMIT)]
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
    str, PlainValidator(values.devpi_index), text(values.DEVPI_INDEX.pattern, "team/dev", "root/prod")
]
Indexes = Annotated[list[IndexText], Field(min_length=1)] | None
WebhookUrl = Annotated[
    str, PlainValidator(values.webhook_url), text("https?://[^@#]+", "https://ops.example.com/hooks/authproxy")
]
PolicyName = Annotated[str, AfterValidator(values.policy_name)]
