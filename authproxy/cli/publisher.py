"""`authproxy publisher`: who gets a key for the token of a CI, whose a token would be, and a pin that is forgotten."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.options import load_config, opened, prints, takes_config
from authproxy.cli.output import Output, moment, say
from authproxy.cli.tokenanswer import STDIN, Answer, found_in, read_claims, read_input
from authproxy.domain.effects import period
from authproxy.domain.publishers import PENDING_LIFE, Matched, Pin, Publisher
from authproxy.domain.refusal import quoted

if TYPE_CHECKING:
    from authproxy.config import Config
    from authproxy.oidc import Claims

COLUMNS: Final = ("publisher", "state", "packages", "create", "lifetime", "used", "pinned")


@click.group(short_help="List trusted publishers, try a token, forget a pin.")
def publisher() -> None:
    """List trusted publishers, try a token, forget whom a name belonged to.

    Who they are stands in the configuration, under `publishers`; a running server takes a changed list by SIGHUP.
    """


@publisher.command("list", short_help="Show the publishers, and what is pinned of each.")
@takes_config
@prints
def list_(config_path: Path, out: Output) -> None:
    """Show the publishers of the configuration, when each minted last, and the ids that were pinned at its first use.

    Also those that are no longer in the configuration and are still pinned: they are remembered until `unpin`.
    """
    config = load_config(config_path)
    pins = asyncio.run(_pins(config))
    known = config.policy.publishers
    rows = [_row(each, pins.get(label), _now()) for label, each in known.items()]
    rows += [_gone(label, pin) for label, pin in sorted(pins.items()) if label not in known and pin.claims]
    with out.listing(COLUMNS) as listing:
        if rows:
            listing.add(rows)
    if not (rows or out.json):
        say("the configuration has no publishers")


def _row(each: Publisher, pin: Pin | None, now: int) -> Mapping[str, object]:
    return {
        "publisher": each.label,
        "state": _state(each, pin, now),
        "packages": [it.text for it in each.packages],
        "create": each.create,
        "lifetime": period(each.lifetime),
        "used": moment(pin.used) if pin else None,
        "pinned": _ids(pin),
        "since": moment(pin.since) if pin else None,
        "issuer": each.issuer,
        "kind": str(each.kind),
    }


def _gone(label: str, pin: Pin) -> Mapping[str, object]:
    row = dict.fromkeys((*COLUMNS, "since", "issuer", "kind"))
    shown = {"state": "not configured", "used": moment(pin.used), "since": moment(pin.since), "pinned": _ids(pin)}
    return {**row, "publisher": label, "packages": [], **shown}


def _state(each: Publisher, pin: Pin | None, now: int) -> str:
    """Say whether a token gets a key, in one word: `new` where no server has seen it, `ended` where it never will."""
    if pin is None:
        return "new"
    if pin.used is not None:
        return "live"
    return "ended" if each.create and now >= pin.since + PENDING_LIFE else "unused"


def _ids(pin: Pin | None) -> list[str]:
    return [f"{claim}={value}" for claim, value in sorted(pin.claims.items())] if pin else []


@publisher.command(short_help="Say whose a token is, or claim by claim why nobody's.")
@takes_config
@prints
@click.option(
    "--claims",
    "claims_file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Judge these claims (JSON) instead of a token; nothing is verified then.",
)
def test(config_path: Path, out: Output, claims_file: Path | None) -> Exit:
    """Read a token from stdin, verify it, and say which publisher it is of and what it would mint.

    Nothing is minted, nothing pinned, and the token is as good as before. Exit status 3: it would get no key, and the
    answer says claim by claim why.
    """
    config = load_config(config_path)
    if claims_file is not None:
        return _answered(out, Answer(asyncio.run(found_in(config, read_claims(claims_file), now=_now())), False))
    token = read_input(STDIN, "a token").decode("utf-8", "replace").strip()
    return asyncio.run(_tried(config, out, token))


def _answered(out: Output, answer: Answer) -> Exit:
    out.document(answer.document() | {"code": None}, answer.lines())
    return Exit.DONE if isinstance(answer.found, Matched) else Exit.NO


async def _tried(config: "Config", out: Output, token: str) -> Exit:
    from authproxy.oidc import TokenRefused

    try:
        claims = await _verified(config, token)
    except TokenRefused as refused:
        refusal = {"matched": False, "verified": False, "publisher": None, "reason": refused.description}
        lines = [f"no: {refused.description} ({refused.code})"]
        out.document(refusal | {"mints": None, "publishers": [], "code": str(refused.code)}, lines)
        return Exit.NO
    return _answered(out, Answer(await found_in(config, claims.values, now=_now()), verified=True))


async def _verified(config: "Config", token: str) -> "Claims":
    """Verify as the server does, with keys that are fetched for this. Raises TokenRefused."""
    from authproxy.oidc import Keyrings
    from authproxy.web.publishers import verifier_of

    keyrings = Keyrings()
    try:
        return await verifier_of(config, keyrings).verified(token, now=_now())
    finally:
        await keyrings.close()


@publisher.command(short_help="Forget whom a publisher's names belonged to.")
@takes_config
@prints
@click.argument("words", metavar="PUBLISHER...", nargs=-1, required=True)
def unpin(config_path: Path, out: Output, words: tuple[str, ...]) -> None:
    """Forget the ids that were pinned at the first use of PUBLISHER, named as `publisher list` names it.

    The next token that it takes pins its own, and its keys that still live are revoked. Do this where a repository
    moved to another owner and is yours still: if somebody else has registered the name since, the next token may be
    theirs. For a publisher with `create` that ended unused it starts the 30 days anew.
    """
    label, config = " ".join(words), load_config(config_path)
    pins = asyncio.run(_pins(config))
    known = label in config.policy.publishers
    if not (known or label in pins):
        raise Failure(f"there is no publisher {quoted(label)}: `authproxy publisher list` shows those that there are")
    held = pins[label].claims if label in pins else {}
    done = asyncio.run(_unpin(config, label))
    were = ", ".join(f"{claim} {value}" for claim, value in sorted(held.items()))
    ended = f"{done or 'no'} live key{'' if done == 1 else 's'} of it {'was' if done == 1 else 'were'} revoked"
    line = f"unpinned {label}: {f'it was {were}' if were else 'nothing was pinned of it'}; {ended}"
    told = {"unpinned": done is not None, "was": dict(held), "revoked": done or 0, "configured": known}
    out.document({"publisher": label, **told}, [line])


async def _pins(config: "Config") -> dict[str, Pin]:
    async with opened(config) as store:
        return await store.minting.pins()


async def _unpin(config: "Config", label: str) -> int | None:
    async with opened(config) as store:
        return await store.minting.unpin(label, now=_now())


def _now() -> int:
    """Unix seconds."""
    return int(time.time())
