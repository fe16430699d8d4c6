"""The command line: one module per noun, each imported when its command is called.

This room parses options, prints, and chooses the exit status; what a command does stands in the rooms below. Nothing
here is imported by them, and nothing heavy is imported at the top of a module: `authproxy --version` and completion
answer without loading SQLAlchemy, aiohttp, pydantic or rich.
"""

import io
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click

from authproxy import __version__
from authproxy.cli.failures import Exit, sentence_of
from authproxy.cli.output import printable, say, styled

# command: (module, attribute, what `authproxy --help` says). The help stands here because importing ten modules to
# print ten lines would cost a second.
COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "serve": ("authproxy.cli.serve", "serve", "Run the proxy."),
    "demo": ("authproxy.cli.demo", "demo", "See it work: a real index, the proxy before it, keys, lines to paste."),
    "config": ("authproxy.cli.config", "config", "Check, show or describe the configuration."),
    "key": ("authproxy.cli.key", "key", "Create, list, rotate, pause and revoke API keys."),
    "policy": ("authproxy.cli.policy", "policy", "Ask what a key may do, and why."),
    "publisher": ("authproxy.cli.publisher", "publisher", "List trusted publishers, try a token, forget a pin."),
    "audit": ("authproxy.cli.audit", "audit", "Ask the record of decisions."),
    "push": ("authproxy.cli.push", "push", "Copy a release from one index of devpi into another."),
    "webhook": ("authproxy.cli.webhook", "webhook", "See how webhooks fare, and try one."),
    "client-config": ("authproxy.cli.clientconfig", "client_config", "Print what a client needs to use the proxy."),
    "doctor": ("authproxy.cli.doctor", "doctor", "Look for what is wrong, and say what to do."),
    "probe": ("authproxy.cli.probe", "probe", "Ask a running proxy whether it is well."),
    "db": ("authproxy.cli.db", "db", "Bring the store up to date, back it up, restore it, change its master key."),
    "derive": ("authproxy.cli.derive", "derive", "Make a key that may do less, without asking the proxy."),
    "exec": ("authproxy.cli.execute", "execute", "Run an upload client with a key for these files and minutes."),
    "login": ("authproxy.cli.login", "login", "Keep a key, so that clients get derived ones by themselves."),
    "logout": ("authproxy.cli.login", "logout", "Forget a key that `authproxy login` kept."),
    "completion": ("authproxy.cli.completion", "completion", "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, and whose failures are one sentence each."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and end with one of the four statuses of `Exit`. A command may return one; nothing means done."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # PYTHONIOENCODING=ascii must not end in a traceback
        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except (click.ClickException, click.Abort, OSError) as failure:
            if not standalone_mode:
                raise
            status = _report(failure)
            _give_up_stdout()
        if standalone_mode:
            sys.exit(status if isinstance(status, int) else Exit.DONE)
        return status


def _give_up_stdout() -> None:
    """Let go of what a full disk or a closed pipe would not take; Python would try again at exit, with a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(failure: click.ClickException | click.Abort | OSError) -> int:
    from authproxy.cli.journal import ERROR, is_journal, prioritised
    from authproxy.cli.logs import redact  # logging is a tenth of what `authproxy exec` would load

    if isinstance(failure, click.Abort):
        say("authproxy: interrupted")
        return Exit.FAILED
    if isinstance(failure, OSError):
        text, status = sentence_of(failure), int(Exit.FAILED)
    else:
        text, status = failure.format_message(), failure.exit_code
    head = styled("authproxy:", sys.stderr, colour="red", bold=True)
    lines = [printable(redact(line)) for line in text.expandtabs(2).split("\n")]  # click indents by tabs
    told = f"{head} " + "\n".join(lines)
    print(prioritised(told, ERROR) if is_journal(sys.stderr) else told, file=sys.stderr)  # noqa: T201
    if isinstance(failure, click.UsageError) and failure.ctx is not None:
        say(f"see: {failure.ctx.command_path} --help")
    return status


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="authproxy")
@click.option("--config", "config_path", metavar="FILE", help="The configuration; the commands take this too.")
@click.pass_context
def main(ctx: click.Context, config_path: str | None) -> None:
    """Scoped API keys for a Python package index that nobody has to change.

    Exit status: 0 done, 1 failed, 2 wrong usage, 3 the answer is no.
    """
    ctx.obj = config_path
