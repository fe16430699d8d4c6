"""`authproxy completion`: the script that teaches a shell our commands. Click writes it; we only name it."""

import click


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  eval "$(authproxy completion bash)"         in ~/.bashrc
    zsh:   eval "$(authproxy completion zsh)"          in ~/.zshrc
    fish:  authproxy completion fish | source          in ~/.config/fish/config.fish
    """  # noqa: D301 - click looks for the character, not for a backslash
    from click.shell_completion import get_completion_class

    from authproxy.cli import main
    from authproxy.cli.failures import Failure

    writer = get_completion_class(shell)
    if writer is None:
        raise Failure(f"this version of click cannot complete for {shell}: take bash, zsh or fish")
    click.echo(writer(main, {}, "authproxy", "_AUTHPROXY_COMPLETE").source())
