"""`authproxy audit adopt`: what the index has already, read into the ledger, so that no name in it is taken twice."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.options import index_ledger, load_config, opened, prints, takes_config
from authproxy.cli.output import Output, counted, say

if TYPE_CHECKING:
    from authproxy.backend.flavour import IndexFile
    from authproxy.config import Config
    from authproxy.domain.names import ProjectName
    from authproxy.web.comparing import Noted
    from authproxy.web.ledger import Ledger

# A line of progress for so many projects.
TOLD: Final = 100
# So many projects in a row that cannot be read mean that the index has gone.
FAILURES: Final = 5
# Of what is told by name so much; the count is of all.
NAMED: Final = 1000


@click.command(short_help="Read what the index has already into the ledger.")
@takes_config
@prints
@click.argument("projects", nargs=-1, metavar="[PROJECT]...")
@click.option("--index", "only", metavar="INDEX", help="Only this one of devpi's indexes.")
@click.option("--hash", "read_back", is_flag=True, help="Read every file whose SHA-256 the index does not state.")
@click.option("--after", metavar="PROJECT", help="Go on behind this project, where a run before was broken off.")
def adopt(
    config_path: Path, out: Output, projects: tuple[str, ...], only: str | None, read_back: bool, after: str | None
) -> Exit:
    """Read the projects of the index into the ledger, all of them or those that are named, in the order of their names.

    From then on a name that the index has is known in whatever spelling before the first upload to its project. Two
    files of the index that are one file to an installer, as 1.0 and 1.0.0 are, are told: the proxy would not have let
    in the second. Files that have other bytes than are known of them are told as CHANGED; of one that was uploaded
    through the proxy that is an alarm, as in `audit reconcile`. It changes nothing in the index, and a second run does
    no harm.

    Exit status 3: there is a file with other bytes than were uploaded. 1: a project, or a file, could not be read; all
    others were.
    """
    config = load_config(config_path)
    indexes = _indexes(config, only)
    wanted = [_project(raw) for raw in projects]
    if after is not None and (wanted or len(indexes) > 1):
        raise click.UsageError("--after is for a run over all projects of one index: name none, and say --index")
    begin = None if after is None else _project(after)
    return asyncio.run(_adopt(config, out, _Adoption(indexes, wanted, read_back, begin)))


def _indexes(config: "Config", only: str | None) -> tuple[str, ...]:
    from authproxy.web.parts import flavour_of

    known = flavour_of(config).indexes
    if only is None:
        return known
    if only not in known:
        raise click.BadParameter(f"the configuration has {', '.join(known)}", param_hint="--index")
    return (only,)


def _project(raw: str) -> "ProjectName":
    from authproxy.domain.names import project_name
    from authproxy.domain.refusal import Refused

    try:
        return project_name(raw)
    except Refused as refused:
        raise click.UsageError(refused.denial.reason) from None


@dataclass(slots=True)
class _Adoption:
    """What is to be adopted, and what has been so far."""

    indexes: tuple[str, ...]
    wanted: "Sequence[ProjectName]"
    read_back: bool
    after: "ProjectName | None"
    projects: int = 0
    files: int = 0
    new: int = 0
    hashed: int = 0
    unhashed: int = 0
    unreadable: int = 0
    double: int = 0
    doubles: list[dict[str, object]] = field(default_factory=list)
    different: int = 0
    changed: list[dict[str, object]] = field(default_factory=list)
    failed: list[dict[str, object]] = field(default_factory=list)
    _in_a_row: int = 0

    async def run(self, ledger: "Ledger") -> None:
        """Adopt one index after the other. Raises Failure where the first question goes unanswered."""
        from authproxy.backend.projects import projects
        from authproxy.domain.refusal import Refused

        for index in self.indexes:
            names: Sequence[ProjectName] = self.wanted
            if not names:
                try:
                    found = await projects(ledger.backend, index)
                except Refused as refused:
                    why = f"{refused.denial.reason} (backend.url is {ledger.backend.upstream.url})"
                    raise Failure(f"nothing of {index} was adopted: {why}") from None
                self.unreadable += found.unreadable
                names = [name for name in found.names if self.after is None or name > self.after]
            for number, name in enumerate(names, start=1):
                await self._project(ledger, index, name)
                if self._in_a_row == FAILURES and not self.wanted:
                    done = names[number - FAILURES - 1] if number > FAILURES else self.after
                    raise Failure(f"the index cannot be read any more{_go_on(index, done)}")
                if number % TOLD == 0:
                    say(f"{index}: {number} of {len(names)} projects, {self.files} files, up to {name}")

    async def _project(self, ledger: "Ledger", index: str, name: "ProjectName") -> None:
        from authproxy.domain.refusal import Refused

        try:
            found, noted = await ledger.adopt(index, name)
            self.projects, self._in_a_row = self.projects + 1, 0
            self.files += len(found)
            self.new += noted.new
            self._tell_changes(noted)
            self._tell_doubles(index, name, found)
            if self.read_back:
                self.hashed += await ledger.read_back(index, found)
            else:
                self.unhashed += sum(file.digest is None or file.digest[0] != "sha256" for file in found)
        except Refused as refused:
            self._in_a_row += 1
            self.failed.append({"index": index, "project": name, "reason": refused.denial.reason})
            say(f"{index}: {name}: {refused.denial.reason}")

    def _tell_changes(self, noted: "Noted") -> None:
        self.different += len(noted.different)
        changes = [(row, sha256, True) for row, sha256 in noted.different]
        for row, sha256, ours in changes + [(row, sha256, False) for row, sha256 in noted.changed]:
            had = "is on record" if ours else "was there before"
            say(f"CHANGED  {row.filename} in {row.index}: the index has sha256 {sha256}, and {row.sha256} {had}")
            if len(self.changed) < NAMED:
                where = {"index": row.index, "project": row.project, "filename": row.filename}
                self.changed.append(where | {"known": row.sha256, "uploaded": ours, "found": sha256})

    def _tell_doubles(self, index: str, name: "ProjectName", found: "Sequence[IndexFile]") -> None:
        alike: dict[str, list[str]] = defaultdict(list)
        for file in found:
            alike[file.artifact.identity].append(file.filename)
        for names in alike.values():
            if len(names) > 1:
                self.double += 1
                say(f"{index}: {' and '.join(names)} are one file to an installer")
                if len(self.doubles) < NAMED:
                    self.doubles.append({"index": index, "project": name, "files": names})


def _go_on(index: str, done: "ProjectName | None") -> str:
    return "" if done is None else f": go on with --index {index} --after {done}"


async def _adopt(config: "Config", out: Output, adoption: _Adoption) -> Exit:
    async with opened(config, create=True) as store, index_ledger(config, store) as ledger:
        await adoption.run(ledger)
    out.document(
        {
            "indexes": list(adoption.indexes),
            "projects": adoption.projects,
            "files": adoption.files,
            "new": adoption.new,
            "hashed": adoption.hashed,
            "without_hash": adoption.unhashed,
            "unreadable": adoption.unreadable,
            "doubles": adoption.doubles,
            "changed": adoption.changed,
            "failed": adoption.failed,
        },
        _lines(adoption),
    )
    out.done(_summary(adoption))
    if adoption.different:
        return Exit.NO
    return Exit.FAILED if adoption.failed else Exit.DONE


def _summary(adoption: _Adoption) -> str:
    of = f"{counted(adoption.files, 'file')} of {counted(adoption.projects, 'project')}"
    return f"{of}, {adoption.new} of them new to the ledger"


def _lines(adoption: _Adoption) -> list[str]:
    lines = [_summary(adoption)]
    if adoption.hashed:
        lines.append(f"{adoption.hashed} files were read back for their SHA-256")
    if adoption.unhashed:
        lines.append(f"the index states no SHA-256 of {adoption.unhashed} files: they are read when they are asked for")
    if adoption.unreadable:
        lines.append(f"{adoption.unreadable} names in the index's list are no project names and were left out")
    if adoption.double:
        lines.append(f"{adoption.double} files are in the index in more than one spelling")
    if adoption.different:
        lines.append(f"{adoption.different} files have other bytes than were uploaded through the proxy: an alarm")
    if adoption.failed:
        lines.append(f"{len(adoption.failed)} projects could not be read: run this again with their names")
    return lines
