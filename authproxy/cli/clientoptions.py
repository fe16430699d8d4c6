"""What the commands of the uploader's machine take: which key, which host, how long; and its errors as a `Failure`.

They have no configuration, which is on the proxy's machine. Nothing of it is loaded here: `authproxy exec` stands
before every upload and should not be felt.
"""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import click

from authproxy.cli.failures import Failure
from authproxy.client import keytext
from authproxy.client.errors import ClientError
from authproxy.client.logins import Login, fetch, origin_of
from authproxy.domain.refusal import Refused, quoted

STDIN: Final = Path("-")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,6})([smhdw])")
NEVER: Final = "never"


# click made ParamType generic in 8.5; before that it cannot be subscripted.
class Spelled(click.ParamType):  # type: ignore[type-arg]
    """A value that a function reads; it says what is wrong with one by raising ValueError or Refused."""

    def __init__(self, name: str, read: Callable[[str], object]) -> None:
        self.name = name
        self.read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value  # a default, read already
        try:
            return self.read(value)
        except Refused as refused:
            self.fail(refused.denial.reason, param, ctx)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def seconds(text: str) -> int:
    """Read `5m`, `1h`, `90s`."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{quoted(text)} is no time: it takes a number and s, m, h, d or w, as in 5m")
    return int(found[1]) * _SECONDS[found[2]]


def life(text: str) -> int:
    """Read a time, or `never`, which is 0 here: a derived key that lives as long as its key."""
    return 0 if text == NEVER else seconds(text)


def network(text: str) -> object:
    """Read `10.0.0.0/8` or one address."""
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"{quoted(text)} is no network: write one as in 10.0.0.0/8 or 2001:db8::/32") from None


def upload_url(text: str) -> str:
    """Read the URL of a proxy, or of an index behind it; a final slash is added where there is none."""
    if origin_of(text) is None or any(character in text for character in "@?#\\ "):
        raise ValueError(
            "that is no address of a proxy: write one as in https://pypi.example.com/, without a key in it"
        )
    return text if text.endswith("/") else f"{text}/"


URL: Final = Spelled("url", upload_url)
SECONDS: Final = Spelled("duration", seconds)
LIFE: Final = Spelled("duration", life)
NETWORK: Final = Spelled("cidr", network)


def takes_key(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--key-file FILE` and `--url URL`."""
    for option in (
        click.option(
            "--url", type=URL, metavar="URL", help="Where the proxy is; the key is that of `authproxy login`."
        ),
        click.option(
            "--key-file",
            type=click.Path(path_type=Path, allow_dash=True),
            metavar="FILE",
            help="A file that holds the key, mode 0600; - for stdin.",
        ),
    ):
        command = option(command)
    return command


@contextmanager
def client_errors() -> Iterator[None]:
    """Turn what the client's room says into a `Failure`."""
    try:
        yield
    except ClientError as error:
        raise Failure(str(error)) from None


def full_key(key_file: Path | None, login: Callable[[], Login]) -> str:
    """Read the key: from the file, from stdin where the file is `-`, else of the login. Raises ClientError, OSError."""
    if key_file is None:
        return fetch(login())
    return keytext.read_stream(sys.stdin.buffer) if key_file == STDIN else keytext.read_file(key_file)
