"""`authproxy login` and `logout`: keep a key once, for the keyring backend, `derive` and `exec`."""

import sys
from pathlib import Path
from urllib.parse import urlsplit

import click

from authproxy.cli.clientoptions import STDIN, URL, client_errors
from authproxy.cli.failures import Failure
from authproxy.cli.options import prints
from authproxy.cli.output import Output, say
from authproxy.client import keytext, logins
from authproxy.client.errors import ClientError
from authproxy.client.logins import Login, origin_of

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@click.command(short_help="Keep a key, so that clients get derived ones by themselves.")
@prints
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="A file with the key; - for stdin.",
)
@click.option("--in-file", is_flag=True, help="Keep it in a file that nobody else may read, not in the keyring.")
@click.argument("url", type=URL)
def login(out: Output, key_file: Path | None, in_file: bool, url: str) -> None:
    """Keep the key for the proxy at URL in the system's keyring. It is asked for, or read from stdin.

    From then on twine, pip, uv and others that ask the keyring for a URL of that host get a derived key, good for
    minutes, and `authproxy derive` and `exec` need no key. Before devpi, URL is that of the index.
    """
    origin = origin_of(url)
    assert origin is not None
    made = Login(origin, url, "file" if in_file else "keyring")
    with client_errors():
        if made.kept == "keyring":
            _there_is_a_keyring(url)
        logins.store(made, _key(key_file))
    out.document({"origin": origin, "url": url, "kept": made.kept}, ())
    if urlsplit(url).scheme == "http" and urlsplit(url).hostname not in LOOPBACK:
        say("derived keys travel in the clear over http://: they are good for minutes, and serve https:// all the same")
    if not out.json:
        say(f"logged in to {origin}: the key is in {'a file of mode 0600' if in_file else 'the keyring'}")


def _there_is_a_keyring(url: str) -> None:
    """Say so before somebody types a key that cannot be kept."""
    from authproxy.client.system_keyring import found

    try:
        found()
    except ClientError as error:
        raise ClientError(f"{error}: `authproxy login --in-file {url}` keeps the key in a file of mode 0600") from None


def _key(key_file: Path | None) -> str:
    if key_file is not None and key_file != STDIN:
        return keytext.read_file(key_file)
    if key_file is None and sys.stdin.isatty():
        answer = click.prompt("Key", hide_input=True, err=True)
        assert isinstance(answer, str)
        return keytext.key_text(answer)
    return keytext.read_stream(sys.stdin.buffer)


@click.command(short_help="Forget a key that `authproxy login` kept.")
@prints
@click.argument("url", type=URL)
def logout(out: Output, url: str) -> None:
    """Take the key for the proxy at URL out of the keyring, or away from its file. The key itself lives on."""
    origin = origin_of(url)
    assert origin is not None
    with client_errors():
        gone = logins.forget(origin)
    if gone is None:
        raise Failure(f"nobody is logged in to {origin} here")
    out.document({"origin": gone.origin, "url": gone.url, "kept": gone.kept}, ())
    if not out.json:
        say(f"logged out of {origin}; `authproxy key revoke` ends the key itself")
