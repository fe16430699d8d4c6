"""`authproxy exec --oidc`: a job of CI runs an upload client with a key that it gets for its ID token, and burns.

How a CI gives its token and how the proxy gives a key stands in `authproxy.client`; here it is said and put together.
"""

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from authproxy.cli.clientoptions import STDIN
from authproxy.cli.execute import run_beside
from authproxy.cli.output import moment, say
from authproxy.client import citokens
from authproxy.client.errors import ClientError
from authproxy.client.preparing import Place, Prepared, place_of, prepared, without
from authproxy.client.publishing import Minted, minted
from authproxy.client.uploaders import Call


def run_in_job(
    command: tuple[str, ...],
    call: Call | None,
    variables: tuple[str, ...],
    url: str | None,
    token_file: Path | None,
    environ: Mapping[str, str],
) -> int:
    """Mint, run, burn; return the exit status. `call` is None where `variables` take the key. Raises ClientError."""
    place = Place(url, told=False) if call is None else place_of(call, url, environ)
    if place.url is None:
        raise ClientError("say where the proxy is that gives the key: --url URL, as in --url https://pypi.example.com/")
    ci = None if token_file is not None else citokens.ci_of(environ)
    used: list[str] = []

    def token_for(audience: str) -> str:
        used.append(_read(token_file) if ci is None else ci.token_for(audience, environ))
        return used[0]

    with minted(place.url, token_for, say) as key:
        kept = partial(_kept, environ, keys=() if ci is None else ci.keys, secrets=(*used, key.text))
        if call is None:
            ready = Prepared(command, {**kept(), **dict.fromkeys(variables, key.text)})
        else:
            ready = prepared(command, call, place, key.text, kept())
        _tell(command[0], ci, key)
        sys.stderr.flush()
        return run_beside(ready, key.text)


def _read(path: Path | None) -> str:
    assert path is not None
    if path == STDIN:
        raw = sys.stdin.buffer.read(citokens.TOKEN_LIMIT + 1)
    else:
        with path.open("rb") as stream:
            raw = stream.read(citokens.TOKEN_LIMIT + 1)
    return citokens.shaped(raw.decode("ascii", "replace"), "stdin" if path == STDIN else str(path))


def _kept(environ: Mapping[str, str], *, keys: tuple[str, ...], secrets: tuple[str, ...]) -> dict[str, str]:
    """Leave out of the environment what could get the program another key when this one is burned."""
    kept = {name: value for name, value in environ.items() if name not in keys}
    for secret in secrets:
        kept = without(kept, secret)
    return kept


def _tell(program: str, ci: citokens.Ci | None, key: Minted) -> None:
    whose = "the token" if ci is None else f"this job on {ci.name}"
    say(f"{Path(program).name}: a key for {whose}, good until {moment(key.expires)} and burned before")
