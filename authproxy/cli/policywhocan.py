"""`authproxy policy who-can`: every key that may do something, what lets it, and what limits it.

A page of keys at a time; of the record nothing is read, however long it is.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from authproxy.cli.failures import Exit
from authproxy.cli.key import now
from authproxy.cli.options import load_config, opened, prints, takes_config
from authproxy.cli.output import Listing, Output, moment, say
from authproxy.cli.policyquestion import ACTIONS, Question, read_question, takes_question
from authproxy.cli.values import PROJECT
from authproxy.domain.explanation import Admission
from authproxy.domain.grants import MAKING, Action
from authproxy.domain.holders import Asked, Holder, Judge
from authproxy.domain.names import ProjectName

if TYPE_CHECKING:
    from authproxy.config import Config

COLUMNS = ("kind", "id", "state", "owner", "policy", "grant", "rule", "limits")

Row = dict[str, object]


@click.command("who-can", short_help="List who may do something, and what lets them.")
@takes_config
@prints
@click.option("--all", "every", is_flag=True, help="Also keys that are paused, expired or used up, and say so.")
@click.argument("action", type=ACTIONS)
@click.argument("project", type=PROJECT, required=False)
@takes_question
def who_can(
    *, config_path: Path, out: Output, every: bool, action: str, project: ProjectName | None, **asked: Any
) -> Exit:
    """List every key that may do ACTION to PROJECT, with the grant and the rule that let it and what limits it.

    Passwords of the index are one line where the configuration takes them. What is not named (a version, a file, an
    address) is not judged. Revoked keys may nothing and are never listed.

    Exit status 0: somebody may. 3: nobody may, be there keys that could if they were not paused, expired or used up.
    """
    question = read_question(action, project, **asked)
    config = load_config(config_path)
    return Exit.DONE if asyncio.run(_list(config, out, question, every=every)) else Exit.NO


async def _list(config: "Config", out: Output, question: Question, *, every: bool) -> bool:
    """Print who may, and say whether anybody may now."""
    about = Asked(question.access(config), now(), question.version, question.filetype, question.address)
    judge, somebody = Judge(config.policy, about), False
    async with opened(config) as store:
        with out.listing(COLUMNS) as listing:
            others = list(_others(config, judge, question))
            somebody = bool(others)
            _add(listing, others)
            for policy in judge.policies():
                async for keys in store.holders(policy, question.project, every=every, now=about.now):
                    found = [each for each in map(judge.holder, keys) if each is not None]
                    live = [each for each in found if each.state == "live"]
                    somebody = somebody or bool(live)
                    _add(listing, [_row(each, question) for each in (found if every else live)])
    if not (somebody or out.json):
        say(f"nobody may {question}" + (" now: none of these keys works" if listing.rows else ""))
    return somebody


def _add(listing: Listing, rows: list[Row]) -> None:
    if rows:
        listing.add(rows)


def _others(config: "Config", judge: Judge, question: Question) -> Iterator[Row]:
    """Say who may without a key: by a password of the index, or because reads are not ours to decide."""
    from authproxy.config import Reads

    if question.action is Action.READ and config.reads is not Reads.KEY:
        whose = "whoever reaches the proxy" if config.reads is Reads.OPEN else "whoever the index lets read"
        yield _bare("anyone", whose) | {"grant": f"reads: {config.reads}"}
    admission = judge.passwords()
    if admission is not None:
        until = config.policy.passwords.until
        limits = _listed_limits([f"until {until}"] if until else [])
        row = _bare("password", "whoever the index lets upload") | {"rule": admission.rule, "grant": admission.grant}
        yield row | {"limits": limits, "expires": str(until) if until else None, "create": admission.may_create}

    for publisher, its in judge.publishers():
        networks = [str(each) for each in publisher.networks]
        said = [f"only from {', '.join(networks)}"] if networks else []
        said += [f"keys of {publisher.lifetime // 60} minutes"]
        said += [] if its.may_create else ["if the index has the project"]
        row = _bare("publisher", publisher.label) | {"rule": its.rule, "grant": its.grant, "networks": networks}
        yield row | {"limits": _listed_limits(said), "create": its.may_create}


def _bare(kind: str, owner: str) -> Row:
    return {
        "kind": kind,
        "id": None,
        "state": "live",
        "owner": owner,
        "policy": None,
        "grant": None,
        "rule": None,
        "limits": "-",
        "networks": [],
        "uses_left": None,
        "rate": None,
        "expires": None,
        "create": False,
        "would_refuse": [],
    }


def _row(holder: Holder, question: Question) -> Row:
    key, admission = holder.key, holder.admission
    rate = admission.rate
    return {
        "kind": "key",
        "id": key.id,
        "state": holder.state,
        "owner": key.owner,
        "policy": key.policy,
        "grant": admission.grant,
        "rule": admission.rule or None,
        "limits": _listed_limits(_limits(holder, question)),
        "networks": [str(each) for each in holder.networks],
        "uses_left": holder.uses_left,
        "rate": None if rate is None else {"count": rate.count, "seconds": rate.seconds},
        "expires": moment(key.expires),
        "create": admission.may_create,
        "would_refuse": [each.reason for each in admission.would_refuse],
    }


def _limits(holder: Holder, question: Question) -> Iterator[str]:
    admission: Admission = holder.admission
    if holder.derived:
        yield "derived keys alone"
    if holder.networks:
        yield f"only from {', '.join(map(str, holder.networks))}"
    if holder.uses_left is not None:
        yield f"{holder.uses_left} uses left"
    if admission.rate is not None:
        yield f"{admission.rate.count} in {admission.rate.seconds} s"
    yield f"until {moment(holder.key.expires)}" if holder.key.expires is not None else "never expires"
    if question.action in MAKING and not admission.may_create:
        yield "if the index has the project"


def _listed_limits(limits: Iterator[str] | list[str]) -> str:
    return "; ".join(limits) or "-"
