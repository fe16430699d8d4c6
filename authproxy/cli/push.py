"""`authproxy push`: a release from one index of devpi into another, through the proxy.

This runs on a user's machine, so it needs nothing but the proxy's address and a key, and of the rooms below nothing but
the grammar of names. The key comes from a file, the environment or stdin, never from an argument. No redirect is
followed: it would take the key somewhere else. What the answer says is shown as it is.
"""

import http.client
import json
import os
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from authproxy import __version__
from authproxy.cli.clientconfig import LOOPBACK, proxy_url
from authproxy.cli.failures import Exit, Failure
from authproxy.cli.options import CONFIG_VARIABLE, load_config, may_take_config, prints
from authproxy.cli.output import Output, say
from authproxy.cli.verifying import read_key

KEY_VARIABLE: Final = "AUTHPROXY_KEY"

# devpi copies every file before it answers; the proxy gives up before this.
PATIENCE: Final = 660.0  # seconds
# A sentence, and the names of a release's files: the widest on PyPI has some hundred.
ANSWER_LIMIT: Final = 64 * 1024  # bytes

# The answers that say no, rather than that something is broken or has to wait: keys, rights, names, files in the way.
REFUSALS: Final = (400, 401, 403)
# How the proxy begins where its operator has to mend something.
NOT_A_NO: Final = "proxy is misconfigured"

# What speaks for us: nothing that follows a redirect, which is an answer like any other, nor that opens files.
_SPEAKERS: Final = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPSHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPErrorProcessor,
)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    reason: str
    body: bytes

    @property
    def page(self) -> dict[str, object]:
        """The body, where it is an object in JSON, else the reason phrase as one."""
        try:
            read = json.loads(self.body)
        except (ValueError, RecursionError):
            read = None
        said = isinstance(read, dict) and isinstance(read.get("message"), str)
        return read if said else {"message": f"the answer was {self.status} {self.reason}".strip()}


def _release(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, str]:
    name, equals, version = text.partition("==")
    if not equals or not name.strip() or not version.strip():
        raise click.BadParameter("write NAME==VERSION, as in acme-core==1.0")
    return name.strip(), version.strip()


@click.command(short_help="Copy a release from one index of devpi into another.")
@may_take_config
@prints
@click.argument("release", metavar="NAME==VERSION", callback=_release)
@click.argument("source", metavar="SOURCE")
@click.argument("target", metavar="TARGET")
@click.option("--url", metavar="URL", callback=proxy_url, help="Where the proxy is, if no configuration says so.")
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=f"Read the key from FILE, not from {KEY_VARIABLE} or stdin.",
)
def push(
    config_path: Path | None,
    out: Output,
    release: tuple[str, str],
    source: str,
    target: str,
    url: str | None,
    key_file: Path | None,
) -> Exit:
    """Copy a release with all its files from SOURCE into TARGET, both written USER/INDEX.

    The key needs a push grant in both. Exit status 0: the release is in TARGET. 3: the answer is no, and says why.
    """
    where = _where(config_path, url)
    key = _key(key_file)
    name, version = release
    answer = _asked(where, key, {"name": name, "version": version, "source": source, "target": target})
    message = _line(answer.page["message"])
    if answer.status == 200 and isinstance(answer.page.get("pushed"), bool):
        out.document(answer.page, [message])
        return Exit.DONE
    if answer.status not in REFUSALS or message.startswith(NOT_A_NO):
        raise Failure(message)
    out.document({"pushed": False, "message": message}, [f"no: {message}"])
    return Exit.NO


def _where(path: Path | None, url: str | None) -> str:
    if url is None and path is None:
        options = f"--url URL, or by its configuration: --config FILE, or {CONFIG_VARIABLE} in the environment"
        raise click.UsageError(f"say where the proxy is: {options}")
    where = url if url is not None or path is None else load_config(path).public_url
    assert where is not None
    if where.startswith("http:") and urlsplit(where).hostname not in LOOPBACK:
        say("the key travels in the clear over http://: serve https://")
    return where


def _key(file: Path | None) -> str:
    given = "" if file is not None else os.environ.get(KEY_VARIABLE, "").strip()
    key = given or read_key(file, f"--key-file, or put it into {KEY_VARIABLE}")
    if not key.isascii() or not key.isprintable():
        raise Failure("that is no key: keys are letters, digits and _ in one line")
    return key


def _asked(where: str, key: str, fields: dict[str, str]) -> _Answer:
    headers = {
        "Authorization": "Basic " + b64encode(f"__token__:{key}".encode("ascii")).decode("ascii"),
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"authproxy/{__version__}",
    }
    body = json.dumps(fields).encode("ascii")
    request = urllib.request.Request(f"{where}-/push", body, headers, method="POST")  # noqa: S310 - `proxy_url`
    opener = urllib.request.OpenerDirector()
    for speaker in _SPEAKERS:
        opener.add_handler(speaker())
    try:
        return _exchanged(opener, request)
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        why = getattr(error, "reason", error)
        raise Failure(f"{where} cannot be reached: {_line(why)}") from None


def _exchanged(opener: urllib.request.OpenerDirector, request: urllib.request.Request) -> _Answer:
    try:
        with opener.open(request, timeout=PATIENCE) as response:
            return _Answer(response.status, response.reason, response.read(ANSWER_LIMIT))
    except urllib.error.HTTPError as refused:
        with refused:
            return _Answer(refused.code, str(refused.reason), refused.read(ANSWER_LIMIT))


def _line(said: object) -> str:
    return " ".join(str(said).split())
