"""`authproxy policy explain`: what the proxy would answer, and which rule and grant decide.

It takes the same walk that decides in the server, so its answer is the server's. What nobody named (a file, a size, an
address) is not judged, and the answer says so. The other questions about policies have modules beside this one.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from authproxy.cli import policydiff, policyrecord, policywhocan
from authproxy.cli.failures import Exit
from authproxy.cli.key import find, now
from authproxy.cli.options import load_config, prints, takes_config
from authproxy.cli.output import Output
from authproxy.cli.policyanswer import answer_document, answer_lines
from authproxy.cli.policyquestion import ACTIONS, Question, read_question, takes_question
from authproxy.cli.values import KEY_ID, PROJECT
from authproxy.domain.access import Principal, PrincipalKind
from authproxy.domain.explanation import Explanation
from authproxy.domain.grants import MAKING
from authproxy.domain.holders import NOWHERE
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.domain.names import ProjectName
from authproxy.domain.networks import shared
from authproxy.domain.policy import explain as walk
from authproxy.domain.refusal import Denial
from authproxy.domain.rules import followed

if TYPE_CHECKING:
    from authproxy.config import Config


@click.group(short_help="Ask what a key may do, and why.")
def policy() -> None:
    """Ask what a key may do, and why."""


policy.add_command(policywhocan.who_can)
policy.add_command(policydiff.diff)


@policy.command(short_help="Say whether a key may do something, and which rule and grant decide.")
@takes_config
@prints
@click.option("--key", "key_id", metavar="ID", type=KEY_ID, help="Whose question it is.")
@click.option(
    "--claims",
    "claims_file",
    metavar="FILE",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Of a job of CI: the claims of its token, in JSON; - for stdin.",
)
@click.option("--record", "number", metavar="NUMBER", type=click.IntRange(min=1), help="Ask again what a row answered.")
@click.argument("action", type=ACTIONS, required=False)
@click.argument("project", type=PROJECT, required=False)
@takes_question
def explain(
    *,
    config_path: Path,
    out: Output,
    key_id: KeyId | None,
    claims_file: Path | None,
    number: int | None,
    action: str | None,
    project: ProjectName | None,
    **asked: Any,
) -> Exit:
    """Say whether a key may do ACTION to PROJECT, and which rule and grant decide.

    With --claims FILE the question is of a job with such a token: which trusted publisher it is of, or claim by claim
    why none; and, where ACTION is named, whether the key may that is minted for it.

    With --record NUMBER the question is the one of that row of the record: what was decided then, and what the rules
    of today say.

    Exit status 0: it may. 3: it may not, and the last line says why.
    """
    more = any(each is not None for each in asked.values())
    if number is not None:
        if key_id is not None or claims_file is not None or action is not None or more:
            raise click.UsageError("--record names a whole question: leave out the rest")
        return policyrecord.explain_row(load_config(config_path), out, number)
    if claims_file is not None:
        if key_id is not None:
            raise click.UsageError("--key and --claims name two who ask: leave out one of them")
        if action is None and more:
            raise click.UsageError("say what the job would do: --claims FILE ACTION PROJECT")
        from authproxy.cli import policyclaims  # which asks `explained` below

        claimed = None if action is None else read_question(action, project, **asked)
        return policyclaims.explain_claims(load_config(config_path), out, claims_file, claimed)
    if key_id is None or action is None:
        raise click.UsageError(
            "name the key and what it would do: --key ID ACTION PROJECT, or --claims FILE, or --record NUMBER"
        )
    question = read_question(action, project, **asked)
    config = load_config(config_path)
    record = asyncio.run(find(config, key_id))
    explanation = explained(config, record, question)
    conditions = conditions_of(config, record, question, explanation)
    document = _document(record, question, explanation) | {"conditions": conditions}
    out.document(document, _lines(record, question, explanation, conditions))
    return Exit.NO if isinstance(explanation.decision, Denial) else Exit.DONE


def explained(config: "Config", record: KeyRecord, question: Question) -> Explanation:
    """Ask for a key."""
    principal = Principal(
        PrincipalKind.KEY,
        question.address or NOWHERE,
        record,
        record.id + record.secrets[0].slot if record.secrets else record.id,
    )
    return walk(
        config.policy,
        principal,
        question.access(config),
        now=now(),
        version=question.version,
        filetype=question.filetype,
        placed=question.address is not None,
    )


def conditions_of(config: "Config", record: KeyRecord, question: Question, explanation: Explanation) -> list[str]:
    """Say what a yes still hangs on: what was not asked, and what only the index knows."""
    decision, key_policy = explanation.decision, followed(config.policy, record)
    if isinstance(decision, Denial) or key_policy is None:
        return []
    places = shared(key_policy.networks, record.networks)
    conditions = []
    if question.address is None and places:
        conditions.append(f"only from {', '.join(map(str, places))}")
    if question.action in MAKING and not decision.may_create:
        conditions.append("if the index has the project")
    return conditions


def _document(record: KeyRecord, question: Question, explanation: Explanation) -> dict[str, object]:
    whose = {"key": record.id, "action": question.action, "project": question.project}
    return {"allowed": not isinstance(explanation.decision, Denial)} | whose | answer_document(explanation)


def _lines(record: KeyRecord, question: Question, explanation: Explanation, conditions: list[str]) -> Iterator[str]:
    refused = isinstance(explanation.decision, Denial)
    told = ", ".join([f"key {record.id} may {'not ' if refused else ''}{question}", *conditions])
    yield f"{'no' if refused else 'yes'}: {told}"
    yield from answer_lines(explanation)
