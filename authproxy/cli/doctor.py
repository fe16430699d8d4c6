"""`authproxy doctor`: everything that `checkup` looks at, as a page for a person or as JSON. It changes nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.key import now
from authproxy.cli.logs import redact
from authproxy.cli.options import prints, takes_config, unread
from authproxy.cli.output import Output

if TYPE_CHECKING:
    from authproxy.cli.checkup import Finding

# As wide as the longest of both, so that sentences stand below each other.
_VERDICT: Final = 8
_NAME: Final = 16


@click.command(short_help="Look for what is wrong, and say what to do.")
@takes_config
@prints
def doctor(config_path: Path, out: Output) -> Exit:
    """Look for what is wrong with the configuration, the machine, the store, webhooks and the index, and what to do.

    Run it as the user who runs the server, on the same machine. It changes nothing: to learn whom the index lets in, it
    sends uploads of nothing. Exit status 0: no problem was found, at most warnings. 3: there is a problem.
    """
    found = _findings(config_path)
    problems, warnings = (sum(each.verdict == verdict for each in found) for verdict in ("problem", "warning"))
    document = {
        "healthy": not problems,
        "problems": problems,
        "warnings": warnings,
        "checks": [
            {"name": each.name, "verdict": each.verdict, "sentence": redact(each.sentence), "advice": each.advice}
            for each in found
        ],
    }
    verdict = f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}"
    out.document(document, [*_lines(found), verdict])
    return Exit.NO if problems else Exit.DONE


def _findings(config_path: Path) -> "Sequence[Finding]":
    from authproxy.cli.checkup import checkup
    from authproxy.cli.checkup.finding import problem
    from authproxy.config import ConfigProblems, load
    from authproxy.web.attesting import verifier_of

    try:
        config = load(config_path, try_root=verifier_of)
    except ConfigProblems as report:
        if not any(each.line for each in report.problems):
            raise Failure(unread(report)) from None  # there was nothing to look at
        return [
            problem(
                "config", f"{each.file}:{each.line}:{each.column}: {each.sentence}", "mend it, then run doctor again"
            )
            for each in report.problems
        ]
    return list(checkup(config, now=now()))


def _lines(found: "Sequence[Finding]") -> Iterator[str]:
    for each in found:
        yield f"{each.verdict:<{_VERDICT}} {each.name:<{_NAME}} {redact(each.sentence)}"
        if each.advice is not None:
            yield f"{'':<{_VERDICT}} {'':<{_NAME}} -> {each.advice}"


def _counted(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
