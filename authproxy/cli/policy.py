"""`authproxy policy explain`: what the proxy would answer, and which rule and grant decide.

It takes the same walk that decides in the server, so its answer is the server's. What nobody named (a file, a size, an
address) is not judged, and the answer says so.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from authproxy.cli.failures import Exit
from authproxy.cli.key import find, now
from authproxy.cli.options import load_config, prints, takes_config
from authproxy.cli.output import Output
from authproxy.cli.values import ADDRESS, FILENAME, INDEX, KEY_ID, PROJECT, SIZE, VERSION
from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.explanation import Explanation
from authproxy.domain.grants import Action
from authproxy.domain.keys import KeyId, KeyRecord
from authproxy.domain.names import Artifact, ProjectName, same_version
from authproxy.domain.policy import explain as walk
from authproxy.domain.refusal import Denial, quoted

if TYPE_CHECKING:
    from authproxy.config import Config

# Stands in where no address was named; `walk` does not look at it then.
NOWHERE = IPv4Address(0)


@click.group(short_help="Ask what a key may do, and why.")
def policy() -> None:
    """Ask what a key may do, and why."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. What is None is not judged."""

    action: Action
    project: ProjectName | None
    version: str | None
    artifact: Artifact | None
    size: int | None
    address: IPv4Address | IPv6Address | None
    index: str | None
    source: str | None

    def __str__(self) -> str:
        version = self.version or (self.artifact.version if self.artifact else None)
        return " ".join(filter(None, (str(self.action), self.project or "the list of all projects", version)))


def _disagreement(question: Question) -> str | None:
    """Say where the file named is not of the project and version named; the proxy would refuse such a form."""
    file = question.artifact
    if file is None:
        return None
    if file.project != question.project:
        return f"the file {quoted(file.filename)} is of the project {quoted(file.project)}, not {question.project}"
    if question.version is not None and not same_version(file.version, question.version):
        return f"the file {quoted(file.filename)} is of version {file.version}, not {question.version}"
    return None


@policy.command(short_help="Say whether a key may do something, and which rule and grant decide.")
@takes_config
@prints
@click.option("--key", "key_id", metavar="ID", type=KEY_ID, required=True, help="Whose question it is.")
@click.argument("action", type=click.Choice([str(each) for each in Action]))
@click.argument("project", type=PROJECT, required=False)
@click.option("--version", type=VERSION, help="The version of the upload.")
@click.option("--file", "artifact", metavar="NAME", type=FILENAME, help="The name of the file.")
@click.option("--index", metavar="USER/INDEX", type=INDEX, help="Which of devpi's indexes, where there are several.")
@click.option("--source", metavar="USER/INDEX", type=INDEX, help="Of a push: the index that it takes from.")
@click.option("--size", metavar="SIZE", type=SIZE, help="Its size, in bytes or as 20MiB.")
@click.option("--address", "--network", "address", metavar="IP", type=ADDRESS, help="Where the request comes from.")
def explain(config_path: Path, out: Output, key_id: KeyId, **asked: Any) -> Exit:
    """Say whether a key may do ACTION to PROJECT, and which rule and grant decide.

    Exit status 0: it may. 3: it may not, and the last line says why.
    """
    question = Question(**{**asked, "action": Action(asked["action"])})
    if question.action is not Action.READ and question.project is None:
        raise click.UsageError(f"name the project behind `{question.action}`")
    if (question.action is Action.PUSH) != (question.source is not None):
        raise click.UsageError("a push, and nothing else, takes --source: the index that it takes from")
    if flaw := _disagreement(question):
        raise click.UsageError(flaw)
    config = load_config(config_path)
    record = asyncio.run(find(config, key_id))
    explanation = _explain(config, record, question)
    out.document(_document(record, question, explanation), _lines(record, question, explanation))
    return Exit.NO if isinstance(explanation.decision, Denial) else Exit.DONE


def _explain(config: "Config", record: KeyRecord, question: Question) -> Explanation:
    principal = Principal(
        PrincipalKind.KEY,
        question.address or NOWHERE,
        record,
        record.id + record.secrets[0].slot if record.secrets else record.id,
    )
    return walk(
        config.policy,
        principal,
        Access(
            question.action,
            _index(config, question.index),
            question.project,
            question.artifact,
            question.size,
            source=None if question.source is None else _index(config, question.source),
        ),
        now=now(),
        version=question.version,
        placed=question.address is not None,
    )


def _index(config: "Config", named: str | None) -> str:
    """Return the index that is meant; there must be no doubt."""
    from authproxy.backend.pypiserver import INDEX as PYPISERVER

    indexes = config.backend.indexes or (PYPISERVER,)
    if named is None and len(indexes) == 1:
        return indexes[0]
    if named not in indexes:
        raise click.UsageError(f"name the index that is meant: --index {' or '.join(indexes)}")
    return named


def _document(record: KeyRecord, question: Question, explanation: Explanation) -> dict[str, object]:
    decision = explanation.decision
    document: dict[str, object] = {
        "allowed": not isinstance(decision, Denial),
        "key": record.id,
        "action": question.action,
        "project": question.project,
        "rule": explanation.rule_label,
        "grant": explanation.grant_text,
    }
    if isinstance(decision, Denial):
        document |= {"code": decision.code, "reason": explanation.steps[-1].sentence}
    else:
        document |= {"create": decision.may_create, "overwrite": decision.overwrite, "metadata": decision.metadata}
    steps = [{"name": step.name, "passed": step.passed, "sentence": step.sentence} for step in explanation.steps]
    return document | {"steps": steps}


def _lines(record: KeyRecord, question: Question, explanation: Explanation) -> Iterator[str]:
    refused = isinstance(explanation.decision, Denial)
    yield f"{'no' if refused else 'yes'}: key {record.id} may {'not ' if refused else ''}{question}"
    yield f"  rule   {explanation.rule_label or '-'}"
    yield f"  grant  {explanation.grant_text or '-'}"
    yield ""
    for step in explanation.steps:
        yield f"  {'✓' if step.passed else '✗'} {step.name:<10} {step.sentence}"
