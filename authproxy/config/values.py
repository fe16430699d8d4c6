"""How the single values of the file are read: durations, sizes, rates, networks, addresses, URLs, patterns.

Each reader takes what YAML said and returns a value of ours, or raises ValueError with one sentence for the person
who wrote it: what it takes, with an example. No sentence repeats a URL, since people put passwords into URLs.
"""

import re
from collections.abc import Callable
from datetime import date
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeVar

from authproxy.config.databases import is_postgres, read_postgres
from authproxy.config.settings import DAY, MIB, MINUTE, Address, Network, SecretReference, SecretSource
from authproxy.domain.access import UPLOAD_DEADLINE
from authproxy.domain.grants import Pattern, pattern
from authproxy.domain.keys import is_prefix
from authproxy.domain.refusal import Refused, quoted
from authproxy.domain.rules import Rate
from authproxy.domain.versions import VersionPattern, version_pattern

_T = TypeVar("_T")

SECONDS: Final = {"s": 1, "m": MINUTE, "h": 60 * MINUTE, "d": DAY, "w": 7 * DAY}
PERIODS: Final = {"second": 1, "minute": MINUTE, "hour": 60 * MINUTE, "day": DAY}
BYTES: Final = {"B": 1, "KiB": 1024, "MiB": MIB, "GiB": 1024 * MIB, "TiB": 1024 * 1024 * MIB} | {
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}
NEVER: Final = "never"
# An upload goes out a second time where the index wants a renewed login, and both must end before its claim is doubted.
UPLOAD_TIMEOUT_LIMIT: Final = UPLOAD_DEADLINE // 2

# A database that is away for longer is no restart and no failover.
GRACE_LIMIT: Final = 15 * MINUTE

# Longer than any key or installation lives; unix seconds stay far under what every database holds.
LONGEST: Final = 36_500 * DAY
# Larger than any file system takes, and small enough for every integer column.
LARGEST: Final = 2**60

DURATION: Final = re.compile(r"([1-9][0-9]{0,11})([smhdw])")
SIZE: Final = re.compile(rf"([1-9][0-9]{{0,18}}) ?({'|'.join(BYTES)})")
RATE: Final = re.compile(rf"([1-9][0-9]{{0,8}})/({'|'.join(PERIODS)})")
_ADDRESS: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})")
_NETWORK: Final = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?")
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?(?P<rest>(?:[/?#].*)?)"
)
_TARGET: Final = re.compile(r"(?:[/?][!-\"$-~]{0,2000})?")
_PORTS: Final = {"http": 80, "https": 443}
_PORT_LIMIT: Final = 65_535
_USERNAME: Final = re.compile(r"[!-9;-~]{1,200}")
# devpi takes these letters in the names of users and of indexes (measured); longer names than ours are nobody's.
DEVPI_INDEX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DAY_TEXT: Final = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")
_POLICY_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _text(value: object, takes: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"it takes {takes}")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


def duration(value: object) -> int:
    """Read `90d`, `12h`, `30m`, `45s`, `2w` into seconds."""
    takes = "a duration: a number and s, m, h, d or w, as in 90d"
    found = DURATION.fullmatch(_text(value, takes))
    if not found or (seconds := int(found[1]) * SECONDS[found[2]]) > LONGEST:
        raise ValueError(f"it takes {takes}, of 100 years at most")
    return seconds


def upload_timeout(value: object) -> int:
    """Read how long the index may take over an upload, which may have to be sent twice."""
    seconds = duration(value)
    if seconds > UPLOAD_TIMEOUT_LIMIT:
        most = UPLOAD_TIMEOUT_LIMIT // MINUTE
        raise ValueError(f"it takes {most}m at most: an upload whose end nobody saw is doubted after {2 * most}m")
    return seconds


def lifetime(value: object) -> int | None:
    """Read a duration into seconds, or `never` (to expire) into None."""
    return None if value == NEVER else duration(value)


def idle(value: object) -> int | None:
    """Read how long a key may go unused, or `never` (to be paused for that) into None."""
    seconds = lifetime(value)
    if seconds is not None and seconds < DAY:
        raise ValueError("it takes 1d at least: a key that is used once a day would be paused between two uses")
    return seconds


def size(value: object) -> int:
    """Read `200MiB`, `1GB` or a plain number of bytes."""
    takes = "a size: a number and B, KiB, MiB or GiB, as in 200MiB"
    if isinstance(value, int) and not isinstance(value, bool):
        value = f"{value}B"
    found = SIZE.fullmatch(_text(value, takes))
    if not found or (count := int(found[1]) * BYTES[found[2]]) > LARGEST:
        raise ValueError(f"it takes {takes}, of {LARGEST // BYTES['TiB']} TiB at most")
    return count


def rate(value: object) -> Rate:
    """Read `10/hour`."""
    takes = "a rate: a number, a slash, and second, minute, hour or day, as in 10/hour"
    found = RATE.fullmatch(_text(value, takes))
    if not found:
        raise ValueError(f"it takes {takes}")
    return Rate(int(found[1]), PERIODS[found[2]])


def network(value: object) -> Network:
    """Read `10.0.0.0/8`, `2001:db8::/32` or one address."""
    text = _text(value, "a network, as in 10.0.0.0/8, or one address")
    no_network = f"{quoted(text)} is no network: write one as in 10.0.0.0/8 or 2001:db8::/32, or one address"
    if not _NETWORK.fullmatch(text):
        raise ValueError(no_network)
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(no_network) from None
    if isinstance(found, IPv6Network) and found.network_address.ipv4_mapped:
        raise ValueError(f"{quoted(text)} is an IPv4 network in IPv6 dress: write it as in 10.0.0.0/8")
    if found.network_address != ip_address(text.partition("/")[0]):
        raise ValueError(f"{quoted(text)} has bits behind its prefix: did you mean {found}?")
    return found


def proxy_network(value: object) -> Network:
    """Read a network whose proxies are believed."""
    found = network(value)
    if found.prefixlen == 0:
        raise ValueError(f"{found} would let every client choose the address that it is seen with: name the proxies")
    return found


def address(value: object) -> Address:
    """Read `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`."""
    takes = "an address and a port, as in 127.0.0.1:8080 or [::1]:8080"
    found = _ADDRESS.fullmatch(_text(value, takes))
    if not found or int(found[3]) > _PORT_LIMIT:
        raise ValueError(f"it takes {takes}")
    if found[1]:
        try:
            IPv6Address(found[1])
        except ValueError:
            raise ValueError(f"it takes {takes}") from None
    return Address(found[1] or found[2], int(found[3]))


def _origin(value: object, example: str) -> str:
    """Read scheme, host and port; the URL comes back without its scheme's own port and with a final slash."""
    takes = f"a URL, as in {example}"
    text = _text(value, takes)
    if "@" in text:
        raise ValueError(f"it takes {takes}, and no credentials: a secret never stands in this file")
    found = _URL.fullmatch(text)
    if not found or (port := int(found["port"] or 0)) > _PORT_LIMIT:
        raise ValueError(f"it takes {takes}: http or https, a host in ASCII (international ones as xn--...), a port")
    if found["rest"] not in {"", "/"}:
        raise ValueError(f"it takes {takes}, without a path, ? or #: the links in an index's pages begin at /")
    scheme, shown = found["scheme"], f":{port}" if port and port != _PORTS[found["scheme"]] else ""
    return f"{scheme}://{found['host'].lower()}{shown}/"


def public_url(value: object) -> str:
    """Read the URL that clients use."""
    return _origin(value, "https://pypi.example.com/")


def backend_url(value: object) -> str:
    """Read the URL of the index."""
    return _origin(value, "http://127.0.0.1:8081/")


def store_url(value: object) -> str:
    """Read `sqlite:///relative/path` or `sqlite:////absolute/path`; the path comes back without the scheme.

    A PostgreSQL database comes back as its URL, every part of it written out.
    """
    takes = "it takes sqlite:///file/beside/this/one, sqlite:////absolute/path or a postgresql:// URL"
    text = _text(value, takes.removeprefix("it takes "))
    if is_postgres(text):
        return str(read_postgres(text))
    path = text.removeprefix("sqlite:///")
    if path == text or not path or path == ":memory:" or path.endswith("/") or "?" in path:
        raise ValueError(takes)
    return path


def grace(value: object) -> int:
    """Read for how long a lost database is bridged."""
    seconds = duration(value)
    if seconds > GRACE_LIMIT:
        raise ValueError(f"it takes {GRACE_LIMIT // MINUTE}m at most: so long may a key go on reading that was revoked")
    return seconds


def key_prefix(value: object) -> str:
    """Read the first letters of every key."""
    text = _text(value, "the first letters of every key, as in apx")
    if text == "pypi":
        raise ValueError("scanners report keys that begin with pypi to PyPI: choose another prefix, as in apx")
    if not is_prefix(text):
        raise ValueError("it takes a lower-case letter and 1 to 9 lower-case letters or digits, as in apx")
    return text


def username(value: object) -> str:
    """Read the name of the service account: Basic credentials end it at the first colon (RFC 7617)."""
    text = _text(value, "the name of the proxy's account in the index")
    if not _USERNAME.fullmatch(text):
        raise ValueError("it takes printable ASCII without spaces and colons, 200 characters at most")
    return text


def webhook_url(value: object) -> str:
    """Read the URL that a webhook's messages go to. It is sent as it stands here."""
    takes = "a URL, as in https://ops.example.com/hooks/authproxy"
    text = _text(value, takes)
    if "@" in text:
        raise ValueError(f"it takes {takes}, and no credentials: messages are signed with the secret")
    found = _URL.fullmatch(text)
    if not found or int(found["port"] or 0) > _PORT_LIMIT:
        raise ValueError(f"it takes {takes}: http or https, a host in ASCII (international ones as xn--...), a port")
    if not _TARGET.fullmatch(found["rest"]):
        raise ValueError(f"it takes {takes}: behind the host / or ?, printable ASCII without spaces, and no #")
    return text


def devpi_index(value: object) -> str:
    """Read `team/dev`."""
    text = _text(value, "an index of devpi: USER/INDEX, as in team/dev")
    if not DEVPI_INDEX.fullmatch(text):
        raise ValueError(f"{quoted(text)} is no index of devpi: write USER/INDEX, as in team/dev")
    return text


def day(value: object) -> date:
    """Read `2027-01-31`."""
    takes = "a day: YEAR-MONTH-DAY, as in 2027-01-31"
    text = _text(value, takes)
    try:
        # `fromisoformat` reads 20270131 and 2027-W04-7 as well.
        return date.fromisoformat(text if DAY_TEXT.fullmatch(text) else "")
    except ValueError:
        raise ValueError(f"it takes {takes}") from None


def policy_name(value: object) -> str:
    """Read the name that keys call their policy by."""
    text = _text(value, "a name, as in release")
    if not _POLICY_NAME.fullmatch(text):
        raise ValueError(f"{quoted(text)} is no name: letters, digits, '.', '_' and '-', 64 characters at most")
    return text


def _refusal_as_sentence(read: Callable[[str], _T], value: object, takes: str) -> _T:
    try:
        return read(_text(value, takes))
    except Refused as exc:
        raise ValueError(exc.denial.reason) from None


def package_pattern(value: object) -> Pattern:
    """Read `acme-*`."""
    return _refusal_as_sentence(pattern, value, "a package's name, or a pattern as in acme-*")


def versions(value: object) -> VersionPattern:
    """Read `1.*` or `>=1.0,<2`."""
    return _refusal_as_sentence(version_pattern, value, "versions, as in 1.* or >=1.0,<2")


def secret_reference(value: object) -> SecretReference:
    """Read `{file: PATH}`, `{env: NAME}` or `{credential: NAME}`. No sentence repeats what was written instead."""
    takes = "write {file: PATH}, {env: NAME} or {credential: NAME}"
    if not isinstance(value, dict):
        raise ValueError(f"a secret never stands in this file: {takes}")  # noqa: TRY004 - pydantic collects ValueErrors
    if len(value) != 1 or not set(value) <= set(SecretSource):
        raise ValueError(f"it takes one of three ways to name a secret: {takes}")
    [(source, name)] = value.items()
    if not isinstance(name, str) or not name:
        raise ValueError(f"it takes the name in text: {takes}")
    return SecretReference(SecretSource(source), name)
