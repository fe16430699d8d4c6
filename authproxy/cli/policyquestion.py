"""What `authproxy policy` is asked: an action, a project, and whatever else is known of the request.

What is None is not judged. This room reads questions and the index that they mean; it answers none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import click

from authproxy.cli.values import ADDRESS, FILENAME, INDEX, SIZE, VERSION
from authproxy.domain.access import Access
from authproxy.domain.grants import Action
from authproxy.domain.names import Artifact, Filetype, ProjectName, same_version
from authproxy.domain.refusal import quoted

if TYPE_CHECKING:
    from authproxy.config import Config

ACTIONS = click.Choice([str(each) for each in Action])


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. What is None is not judged."""

    action: Action
    project: ProjectName | None
    version: str | None
    artifact: Artifact | None
    filetype: Filetype | None
    size: int | None
    address: IPv4Address | IPv6Address | None
    index: str | None
    source: str | None

    def __str__(self) -> str:
        version = self.version or (self.artifact.version if self.artifact else None)
        return " ".join(filter(None, (str(self.action), self.project or "the list of all projects", version)))

    def access(self, config: "Config") -> Access:
        """The access that is asked about, in the index that is meant."""
        index = index_meant(config, self.index)
        version = self.version if self.action is not Action.UPLOAD else None
        source = None if self.source is None else index_meant(config, self.source)
        return Access(self.action, index, self.project, self.artifact, self.size, version=version, source=source)


def takes_question(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say more about a question."""
    for option in (
        click.option("--version", type=VERSION, help="The version of the upload."),
        click.option("--file", "artifact", metavar="NAME", type=FILENAME, help="The name of the file."),
        click.option(
            "--filetype", type=click.Choice([str(each) for each in Filetype]), help="Of a file without a name."
        ),
        click.option(
            "--index", metavar="USER/INDEX", type=INDEX, help="Which of devpi's indexes, if there are several."
        ),
        click.option("--source", metavar="USER/INDEX", type=INDEX, help="Of a push: the index that it takes from."),
        click.option("--size", metavar="SIZE", type=SIZE, help="Its size, in bytes or as 20MiB."),
        click.option(
            "--address",
            "--network",
            "--from",
            "address",
            metavar="IP",
            type=ADDRESS,
            help="Where the request comes from.",
        ),
    ):
        command = option(command)
    return command


def read_question(action: str, project: ProjectName | None, filetype: str | None, **asked: Any) -> Question:
    """Put a question together. Raises click.UsageError where it is none."""
    kind = None if filetype is None else Filetype(filetype)
    question = Question(action=Action(action), project=project, filetype=kind, **asked)
    if question.action is not Action.READ and question.project is None:
        raise click.UsageError(f"name the project behind `{question.action}`")
    if (question.action is Action.PUSH) != (question.source is not None):
        raise click.UsageError("a push, and nothing else, takes --source: the index that it takes from")
    if flaw := _disagreement(question):
        raise click.UsageError(flaw)
    return question


def _disagreement(question: Question) -> str | None:
    """Say where the file named is not of the project and version named; the proxy would refuse such a form."""
    file = question.artifact
    if file is None:
        return None
    if file.project != question.project:
        return f"the file {quoted(file.filename)} is of the project {quoted(file.project)}, not {question.project}"
    if question.version is not None and not same_version(file.version, question.version):
        return f"the file {quoted(file.filename)} is of version {file.version}, not {question.version}"
    if question.filetype not in {None, file.filetype}:
        return f"the file {quoted(file.filename)} is of the type {file.filetype}, not {question.filetype}"
    return None


def indexes_of(config: "Config") -> tuple[str, ...]:
    """The indexes that uploads go to; pypiserver is one, under a name of ours."""
    from authproxy.backend.pypiserver import INDEX as PYPISERVER

    return config.backend.indexes or (PYPISERVER,)


def index_meant(config: "Config", named: str | None) -> str:
    """Return the index that is meant; there must be no doubt."""
    indexes = indexes_of(config)
    if named is None and len(indexes) == 1:
        return indexes[0]
    if named not in indexes:
        raise click.UsageError(f"name the index that is meant: --index {' or '.join(indexes)}")
    return named
