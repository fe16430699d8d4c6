"""`authproxy client-config CLIENT`: the file or the lines that a client needs. What stands in them is `clientlines`'s.

Here it is found out where clients go: from the configuration, or, on a machine that has none, from `--url`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from authproxy.cli.clientlines import BOTH, CLIENTS, READ, UPLOAD, Form, Place, Purpose, place
from authproxy.cli.options import CONFIG_VARIABLE, load_config, may_take_config, prints
from authproxy.cli.output import Output, say

if TYPE_CHECKING:
    from authproxy.config import Config

_PURPOSES: Final = {"upload": UPLOAD, "read": READ, "both": BOTH}

# Where http is as good as https, to people and to pip alike.
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def proxy_url(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """Read `--url`."""
    from authproxy.config.values import public_url

    try:
        return None if text is None else public_url(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _index(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    from authproxy.config.values import devpi_index

    try:
        return None if text is None else devpi_index(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


class _Client(click.Choice[str]):
    """A client of the table; devpi-client, which takes no configuration but commands, is led to them."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value in ("devpi", "devpi-client"):
            self.fail(
                "devpi-client needs no configuration, only `devpi login`: docs/clients.md#devpi-client", param, ctx
            )
        return super().convert(value, param, ctx)


@click.command(
    "client-config",
    short_help="Print what a client needs to use the proxy.",
    epilog="\b\n"
    + "\n".join(["CLIENT   FORM", *(f"{client:<8} {', '.join(forms)}" for client, forms in CLIENTS.items())]),
)
@may_take_config
@prints
@click.argument("client", type=_Client(list(CLIENTS)), metavar="CLIENT")
@click.option("--as", "name", metavar="FORM", help="Another form of it; else the first that does it.")
@click.option("--for", "wanted", type=click.Choice(list(_PURPOSES)), help="Only this; else all that CLIENT can do.")
@click.option("--url", metavar="URL", callback=proxy_url, help="Where the proxy is, if no configuration says so.")
@click.option("--index", metavar="USER/INDEX", callback=_index, help="Which index of devpi.")
def client_config(
    config_path: Path | None,
    out: Output,
    client: str,
    name: str | None,
    wanted: str | None,
    url: str | None,
    index: str | None,
) -> None:
    """Print the file or the lines with which CLIENT uploads through the proxy, or reads from it.

    No key stands in what is printed: it names the variable AUTHPROXY_KEY, and a job of CI that is trusted (docs/
    trusted-publishing.md) needs none. In a file, the lines of a comment that are
    indented by three spaces are for a shell.
    """
    chosen, form = _form(client, name, wanted)
    purposes = _purposes(client, form, wanted)
    at, config = _where(config_path, url, index)
    text = form.written(at, purposes)
    document = {"client": client, "form": chosen, "for": sorted(purposes), "file": form.file, "text": text}
    out.document(document, text.splitlines())
    for hint in (*_hints(config, at, purposes), *_trust(config, client, chosen)):
        say(hint)


def _form(client: str, name: str | None, wanted: str | None) -> tuple[str, Form]:
    forms = CLIENTS[client]
    able = (each for each, form in forms.items() if wanted is None or _PURPOSES[wanted] <= form.purposes)
    chosen = name or next(able, next(iter(forms)))
    if chosen not in forms:
        raise click.UsageError(f"{client} has no form '{chosen}': --as takes {' or '.join(forms)}")
    return chosen, forms[chosen]


def _purposes(client: str, form: Form, wanted: str | None) -> frozenset[Purpose]:
    asked = form.purposes if wanted is None else _PURPOSES[wanted]
    if not asked <= form.purposes:
        (only,) = form.purposes
        raise click.UsageError(f"{client} is told to {only} in this form and to nothing else: leave --for {wanted} out")
    return asked


def _where(path: Path | None, url: str | None, index: str | None) -> "tuple[Place, Config | None]":
    if url is not None:
        return place(url, index), None
    if path is None:
        options = f"--url URL, or by its configuration: --config FILE, or {CONFIG_VARIABLE} in the environment"
        raise click.UsageError(f"say where the proxy is: {options}")
    config = load_config(path)
    return place(config.public_url, _index_of(config, index), config.trusted_publishing.audience), config


def _index_of(config: "Config", index: str | None) -> str | None:
    """The index that was asked for, or the one that there is. pypiserver has but one and no name for it."""
    known = config.backend.indexes
    if not known:
        if index is not None:
            raise click.UsageError(f"--index is for devpi: this proxy stands before a {config.backend.flavour}")
        return None
    if index is None and len(known) > 1:
        raise click.UsageError(f"name one of the indexes that the proxy serves: --index {' or '.join(known)}")
    if index is not None and index not in known:
        raise click.UsageError(f"the proxy does not serve '{index}': --index takes {' or '.join(known)}")
    return index or known[0]


def _hints(config: "Config | None", at: Place, purposes: frozenset[Purpose]) -> Iterator[str]:
    """What a person should know beside the text."""
    if at.upload.startswith("http:") and at.machine not in LOOPBACK:
        yield "the key travels in the clear over http://, and pip and pdm refuse http:// hosts: serve https://"
    if config is None or Purpose.READ not in purposes:
        return
    if config.reads == "open":
        yield "for reading no key is needed: `reads` is open"
    elif config.reads == "index":
        yield "`reads` is index: where the index asks readers for a password, a key needs a read grant"


def _trust(config: "Config | None", client: str, form: str) -> Iterator[str]:
    """Say whether the job would get a key."""
    if form not in ("trusted", "twine") or client not in ("github", "gitlab"):
        return
    if config is not None and config.public_scheme != "https":
        yield "clients look for trusted publishing at https:// alone, and public_url is http://"
    if config is not None and not any(each.kind == client for each in config.policy.publishers.values()):
        other = list(CLIENTS[client])[-1]
        said = f"the configuration has no publisher of kind {client}: add what the comment says"
        yield f"{said} (--as {other} prints a job that has a key)"
