"""How to ask each kind of index what it is, who may upload, and what it does with a project that it does not have.

A table, and nothing of it changes the index. The upload that is tried has no file, and an `:action` that no index has:
who may upload gets 400 for that, and who may not 401 or 403 (measured with pypiserver 2.4.2 and devpi-server 6.20.3).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from authproxy.cli.checkup.wire import Answer
from authproxy.config import Config

# A project that no index has. A name of its own, so that an operator who reads the index's log knows who asked.
UNKNOWN: Final = "authproxy-doctor-unknown-project"

_BOUNDARY: Final = "authproxy-doctor"
NO_UPLOAD: Final = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name=":action"\r\n\r\nauthproxy_doctor\r\n--{_BOUNDARY}--\r\n'
).encode("ascii")
NO_UPLOAD_HEADERS: Final = MappingProxyType({"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"})

_DEVPI_VERSION: Final = "x-devpi-server-version"


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of index. `front` says which software and version it is, to everybody."""

    name: str
    front: str
    version: Callable[[Answer], str | None]
    indexes: Callable[[Config], tuple[str, ...]]
    upload: str  # raw targets; {} is the index
    page: str
    bind: str  # how it is told to listen on loopback alone
    lock: str  # how it is told to ask for a password before an upload
    no_fallback: str
    let: str  # how an account gets the right to upload; {} are the index and the account


def _pypiserver_version(answer: Answer) -> str | None:
    found = re.search(r"running version\s+([0-9][0-9A-Za-z.+-]{0,30})\s+of", answer.text)
    return found[1] if found else None


def _devpi_version(answer: Answer) -> str | None:
    return answer.headers.get(_DEVPI_VERSION)


def answers_as(answer: Answer) -> str | None:
    """Name the kind of index that certainly gave this answer; None where it may be any."""
    if _DEVPI_VERSION in answer.headers:
        return "devpi"
    return "pypiserver" if _pypiserver_version(answer) else None


PYPISERVER: Final = Dialect(
    name="pypiserver",
    front="/",
    version=_pypiserver_version,
    indexes=lambda _config: ("",),
    upload="/",
    page=f"/simple/{UNKNOWN}/",
    bind="start it with -i 127.0.0.1",
    lock="start it with -P HTPASSWD -a update, where HTPASSWD holds the proxy's account alone",
    no_fallback="start it with --disable-fallback",
    let="put that account into the file that it is started with: -P HTPASSWD -a update",
)

DEVPI: Final = Dialect(
    name="devpi",
    front="/+api",
    version=_devpi_version,
    indexes=lambda config: config.backend.indexes,
    upload="/{}/",
    page=f"/{{}}/+simple/{UNKNOWN}/",
    bind="start it with --host 127.0.0.1",
    lock="take :ANONYMOUS: out of the index's acl_upload",
    no_fallback="take the mirror out of the index's bases",
    let="give that account the right to upload: devpi index {} acl_upload+={}",
)

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({each.name: each for each in (PYPISERVER, DEVPI)})
