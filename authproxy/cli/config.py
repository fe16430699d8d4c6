"""`authproxy config`: check, show, schema. What a configuration may say is the config room's affair."""

import json
from pathlib import Path

import click

from authproxy.cli.failures import Exit, Failure
from authproxy.cli.options import load_config, prints, takes_config, unread
from authproxy.cli.output import Output


@click.group(short_help="Check, show or describe the configuration.")
def config() -> None:
    """Check, show or describe the configuration."""


@config.command(short_help="Say everything that is wrong with the configuration.")
@takes_config
@prints
def check(config_path: Path, out: Output) -> Exit:
    """Say everything that is wrong with the configuration, as file:line:column.

    Secrets are looked for but not shown; nothing is connected to. Exit status 0: the server would start with it.
    3: it would not.
    """
    from authproxy.config import ConfigProblems, load
    from authproxy.web.attesting import verifier_of

    try:
        found = load(config_path, try_root=verifier_of)
    except ConfigProblems as report:
        problems = report.problems
        if not any(each.line for each in problems):
            raise Failure(unread(report)) from None  # there was nothing to check
        valid, verdict = False, f"{config_path}: {_counted(len(problems), 'problem')}"
    else:
        problems, valid = found.warnings, True
        verdict = f"{config_path} is valid" + (f", with {_counted(len(problems), 'warning')}" if problems else "")
    listed = [
        {"file": each.file, "line": each.line, "column": each.column, "sentence": each.sentence} for each in problems
    ]
    document = {"valid": valid, "problems": [] if valid else listed, "warnings": listed if valid else []}
    out.document(document, [line for each in problems for line in str(each).split("\n")] + [verdict])
    return Exit.DONE if valid else Exit.NO


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@config.command(short_help="Print the configuration that is in force.")
@takes_config
@prints
def show(config_path: Path, out: Output) -> None:
    """Print the configuration with every default filled in, as YAML or JSON. Secrets show only where they come from."""
    import yaml

    from authproxy.config import shown

    document = shown(load_config(config_path))
    out.document(document, yaml.safe_dump(document, sort_keys=False, width=120).splitlines())


@config.command(name="schema", short_help="Print the JSON Schema of the configuration.")
@prints
def schema_(out: Output) -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from authproxy.config import schema

    document = schema()
    out.document(document, json.dumps(document, indent=2).splitlines())
