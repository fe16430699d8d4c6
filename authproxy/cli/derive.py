"""`authproxy derive`: makes a key that may do less, offline. What it is made of stands in `authproxy.client`."""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from authproxy.cli.clientoptions import LIFE, NETWORK, Spelled, client_errors, full_key, takes_key
from authproxy.cli.options import prints
from authproxy.cli.output import Output, moment, say
from authproxy.client import digests, keytext
from authproxy.client.errors import ClientError
from authproxy.client.logins import logins
from authproxy.client.preparing import Place, login_for
from authproxy.client.signing import Narrowing, signed
from authproxy.domain.caveats import NONCE_BYTES
from authproxy.domain.derived import derived_name, parse_derived
from authproxy.domain.grants import Action, index_name
from authproxy.domain.names import ProjectName, project_name
from authproxy.domain.versions import VersionPattern, version_pattern

if TYPE_CHECKING:
    from authproxy.domain.rules import Network

PACKAGE: Final = Spelled("project", project_name)
VERSION: Final = Spelled("version", version_pattern)
INDEX: Final = Spelled("index", index_name)


@click.command(short_help="Make a key that may do less, without asking the proxy.")
@prints
@takes_key
@click.option("--package", "packages", type=PACKAGE, multiple=True, metavar="NAME", help="For these projects only.")
@click.option("--version", "versions", type=VERSION, multiple=True, metavar="PATTERN", help="As in 1.* or >=2.0.")
@click.option("--file", "files", multiple=True, metavar="PATH...", help="For these very files only, by their SHA-256.")
@click.option("--network", "networks", type=NETWORK, multiple=True, metavar="CIDR", help="From these networks only.")
@click.option("--index", "indexes", type=INDEX, multiple=True, metavar="USER/INDEX", help="For these indexes of devpi.")
@click.option("--action", "actions", type=click.Choice([*map(str, Action)]), multiple=True, help="For these only.")
@click.option("--once", is_flag=True, help="For one upload; with --file, for one of each file.")
@click.option("--expires", "life", type=LIFE, default="1h", show_default=True, help="5m, 1h; never: with its key.")
@click.argument("more", nargs=-1, metavar="")
def derive(
    *,
    out: Output,
    key_file: Path | None,
    url: str | None,
    packages: tuple[ProjectName, ...],
    versions: tuple[VersionPattern, ...],
    files: tuple[str, ...],
    more: tuple[str, ...],
    networks: "tuple[Network, ...]",
    indexes: tuple[str, ...],
    actions: tuple[str, ...],
    once: bool,
    life: int,
) -> None:
    """Print a key that is derived from another one and may do less. It works in a key's place.

    The key comes from stdin, from --key-file, or from `authproxy login`. A derived key may be derived from again.
    Nothing is sent anywhere. A derived key ends when the key ends or is revoked that it is of.
    """
    if more and not files:
        raise click.UsageError(f"'{more[0]}' belongs to no option: files are named by --file")
    with client_errors():
        narrowing = Narrowing(
            life or None,
            packages=frozenset(packages),
            versions=frozenset(versions),
            sha256=_digests((*files, *more)),
            networks=frozenset(networks),
            indexes=frozenset(indexes),
            actions=frozenset(map(Action, actions)),
            once=once,
        )
        text = _key(key_file, url)
        made = signed(text, narrowing, now=int(time.time()), nonce=os.urandom(NONCE_BYTES))
    _hand_over(out, made)


def _digests(words: tuple[str, ...]) -> frozenset[str]:
    """What --file says. A shell has made several words of `--file dist/*` before we see it."""
    paths = []
    for word in words:
        found = digests.named([word], Path())
        if not found:
            raise ClientError(f"there is no file {word}")
        paths += found
    return digests.digests_of(paths)


def _key(key_file: Path | None, url: str | None) -> str:
    """Read the key; where nobody says from where, stdin, and the only login there is where that is empty."""
    if key_file is None and url is None and not sys.stdin.isatty():
        raw = sys.stdin.buffer.read(keytext.READ_LIMIT + 1)
        if raw.strip() or not logins():
            return keytext.decoded(raw)
    return full_key(key_file, lambda: login_for(Place(url, told=False)))


def _hand_over(out: Output, made: str) -> None:
    found = parse_derived(made, keytext.prefix_of(made))
    assert found is not None
    caveats = [json.loads(caveat) for caveat in found.caveats]
    ends = min((each[1] for each in caveats if each[0] == 0), default=None)
    name = derived_name(found)
    document = {
        "key": made,
        "id": found.unverified_public_id,
        "name": name,
        "expires": moment(ends),
        "caveats": caveats,
    }
    out.document(document, [made])
    if not out.json:
        until = f"good until {moment(ends)}" if ends else "good as long as its key is"
        say(f"derived key {found.unverified_public_id}.{name}: {until}")
