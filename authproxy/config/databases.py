"""The URL of a PostgreSQL database: who, where, which; and how much of the connection is to be proved.

The URL is shown in sentences and in the log, so a password never stands in it: `store_password` names where that is.
Nothing in it is decoded. What is not named here, of the many parameters that there are, is refused: a misspelt
`sslmode` must not leave a connection open to whoever stands in the middle.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

SCHEME: Final = "postgresql://"
PORT: Final = 5432
# PostgreSQL cuts a name after 63 bytes, https://www.postgresql.org/docs/current/sql-syntax-lexical.html
_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}"
_URL: Final = re.compile(
    rf"postgresql://(?P<user>{_NAME})(?P<secret>:[^@/]*)?@"
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])?(?::(?P<port>[1-9][0-9]{0,4}))?"
    rf"/(?P<database>{_NAME})(?:\?(?P<options>.*))?"
)
_OTHERS: Final = ("postgres:", "postgresql:", "postgresql+")
_PATH: Final = re.compile(r"/[A-Za-z0-9._/-]{1,200}")
_PORT_LIMIT: Final = 65_535
EXAMPLE: Final = "postgresql://authproxy@db.example.com/authproxy?sslmode=verify-full"


class SslMode(StrEnum):
    """How much of a TLS connection is proved, in libpq's words; `prefer` and `allow` prove nothing and are not taken.

    https://www.postgresql.org/docs/current/libpq-ssl.html
    """

    DISABLE = "disable"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """One database, as its user reaches it. `host` is a name, an address, or the folder of a socket."""

    user: str
    host: str
    port: int
    database: str
    sslmode: SslMode = SslMode.DISABLE
    sslrootcert: str | None = None  # a file of certificates to trust; None: those of the system

    @property
    def is_socket(self) -> bool:
        """Whether it is on this machine, by a socket in the file system."""
        return self.host.startswith("/")

    @property
    def is_here(self) -> bool:
        """Whether nobody can listen in between."""
        return self.is_socket or _is_here(self.host)

    @property
    def place(self) -> str:
        """What is meant, in a sentence."""
        port = "" if self.port == PORT else f":{self.port}"
        host = "" if self.is_socket else f"[{self.host}]" if ":" in self.host else self.host
        return f"{SCHEME}{self.user}@{host}{port}/{self.database}"

    def __str__(self) -> str:
        told = [f"host={self.host}"] if self.is_socket else [f"sslmode={self.sslmode}"]
        told += [f"sslrootcert={self.sslrootcert}"] if self.sslrootcert else []
        return f"{self.place}?{'&'.join(told)}"


def is_postgres(text: str) -> bool:
    """Say whether a URL means PostgreSQL, well written or not."""
    return text.startswith(_OTHERS)


def read_postgres(text: str) -> PostgresAddress:
    """Read a URL. Raises ValueError with a sentence that does not repeat it."""
    takes = f"it takes a PostgreSQL database as in {EXAMPLE}"
    if not text.startswith(SCHEME):
        raise ValueError(f"{takes}: it begins with {SCHEME}, whatever the driver")
    found = _URL.fullmatch(text)
    if not found:
        raise ValueError(f"{takes}: a user without a password, a host, a database, of letters, digits, _, . and -")
    if found["secret"] is not None:
        raise ValueError(f"{takes}: a secret never stands in this file, write store_password: {{file: PATH}} beside it")
    options = _options(found["options"] or "", takes)
    port = int(found["port"] or PORT)
    if port > _PORT_LIMIT:
        raise ValueError(f"{takes}: its port is larger than {_PORT_LIMIT}")
    host = (found["host"] or "").strip("[]").lower()
    if bool(host) == ("host" in options):
        raise ValueError(f"{takes}; or by a socket on this machine, {SCHEME}USER@/DATABASE?host=/run/postgresql")
    mode = _sslmode(host, options)
    return PostgresAddress(
        found["user"], host or options["host"], port, found["database"], mode, options.get("sslrootcert")
    )


def _options(text: str, takes: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for each in filter(None, text.split("&")):
        name, _, value = each.partition("=")
        if name not in {"host", "sslmode", "sslrootcert"} or name in options:
            raise ValueError(f"{takes}: behind the question mark stand host, sslmode and sslrootcert, once each")
        if name != "sslmode" and not _PATH.fullmatch(value):
            raise ValueError(f"{takes}: {name} is an absolute path")
        options[name] = value
    return options


def _sslmode(host: str, options: dict[str, str]) -> SslMode:
    """Without TLS to this machine only, unless the file says so: what is not written there would not be noticed."""
    stated = options.get("sslmode")
    if stated is None:
        if host and not _is_here(host):
            raise ValueError(
                "the database is on another machine: write sslmode=verify-full behind its URL (with"
                " sslrootcert=PATH where its certificate is one of your own), or sslmode=disable where nobody listens"
            )
        mode = SslMode.DISABLE
    elif stated in set(SslMode):
        mode = SslMode(stated)
    else:
        raise ValueError(f"sslmode is one of {', '.join(SslMode)}")
    if "sslrootcert" in options and mode not in {SslMode.VERIFY_CA, SslMode.VERIFY_FULL}:
        raise ValueError("sslrootcert proves something with sslmode=verify-full or verify-ca alone")
    return mode


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
