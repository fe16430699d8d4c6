"""`authproxy exec -- twine upload dist/*`: runs an upload client with a key that is good for these files and minutes.

What the command means and what is set for it stands in `authproxy.client`; here it is asked, said and started.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from authproxy.cli.clientoptions import SECONDS, Spelled, client_errors, full_key, takes_key
from authproxy.cli.output import moment, say
from authproxy.client import running
from authproxy.client.devpi_login import CLIENTDIR
from authproxy.client.digests import digests_of, named
from authproxy.client.errors import ClientError
from authproxy.client.preparing import Place, Prepared, login_for, narrowing_of, place_of, prepared, without
from authproxy.client.signing import Narrowing, signed
from authproxy.client.uploaders import UPLOADERS, Call, read_call
from authproxy.domain.caveats import NONCE_BYTES
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName, project_name

# Long enough for the files of a release on a slow line, since a key is looked at when a file begins.
LIFE: Final = "5m"
PACKAGE: Final = Spelled("project", project_name)


@click.command(
    "exec",
    short_help="Run an upload client with a key for these files and minutes.",
    context_settings={"allow_interspersed_args": False},  # what follows COMMAND is its own
)
@takes_key
@click.option("--oidc", is_flag=True, help="In a job of CI: with a key for its ID token, burned when COMMAND ends.")
@click.option(
    "--oidc-token",
    "token_file",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="The same with a token that is in a file, as in a pod of Kubernetes; - for stdin.",
)
@click.option("--expires", "life", type=SECONDS, default=LIFE, show_default=True, help="How long the key is good.")
@click.option(
    "--package", "packages", type=PACKAGE, multiple=True, metavar="NAME", help="The project, where no file says it."
)
@click.option(
    "--env", "variables", multiple=True, metavar="NAME", help="For another program: hand the key over in NAME."
)
@click.option("--file", "files", multiple=True, metavar="PATH", help="With --env: for these files only.")
@click.option(
    "--action", "actions", type=click.Choice([*map(str, Action)]), multiple=True, help="With --env: else upload."
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def execute(
    *,
    key_file: Path | None,
    url: str | None,
    oidc: bool,
    token_file: Path | None,
    life: int,
    packages: tuple[ProjectName, ...],
    variables: tuple[str, ...],
    files: tuple[str, ...],
    actions: tuple[str, ...],
    command: tuple[str, ...],
) -> int:
    """Run COMMAND, which uploads, with a derived key: for its files, their project, and a few minutes.

    COMMAND is one of: twine upload, uv publish, poetry publish, flit publish, hatch publish, pdm publish, devpi upload.
    Write it behind --, as you would type it; it runs without a shell. Its exit status is that of this command.

    With --oidc no key is needed: the ID token of the job (GitHub, GitLab, Buildkite, CircleCI, Google) gets one of a
    few minutes from the proxy, as its `publishers` say, and that key ends with COMMAND.
    """
    environ = dict(os.environ)
    with client_errors():
        if oidc or token_file is not None:
            from authproxy.cli.jobkey import run_in_job  # loads urllib and ssl

            _not_with_oidc()
            call = None if variables else _known(command, files, actions)
            return run_in_job(command, call, variables, url, token_file, environ)
        if variables:
            narrowing = _for_others(life, packages, files, actions)
            key = full_key(key_file, lambda: login_for(Place(url, told=False)))
            made = _signed(key, narrowing)
            ready = Prepared(command, {**without(environ, key), **dict.fromkeys(variables, made)})
        else:
            call = _known(command, files, actions)
            place = place_of(call, url, environ)
            key, place = _key_for(place, key_file, call)
            narrowing = narrowing_of(call, life, frozenset(packages), Path.cwd())
            made = _signed(key, narrowing)
            ready = prepared(command, call, place, made, without(environ, key))
        _tell(command[0], narrowing)
        return _run(ready, made)


def _not_with_oidc() -> None:
    """Refuse what narrows a derived key: a minted one is what the publisher says, and not derived from."""
    context = click.get_current_context()
    options = {"key_file": "--key-file", "life": "--expires", "packages": "--package"}
    options |= {"files": "--file", "actions": "--action"}
    for name, option in options.items():
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"{option} is for keys that are derived: with --oidc the publisher says what it may")


def _known(command: tuple[str, ...], files: tuple[str, ...], actions: tuple[str, ...]) -> Call:
    if files or actions:
        raise click.UsageError("--file and --action are for --env: of a client that is known they are known")
    call = read_call(command)
    if call is None:
        known = ", ".join(f"{each.name} {each.command}" for each in UPLOADERS.values())
        raise click.UsageError(
            f"'{' '.join(command[:2])}' is no upload that authproxy knows ({known}): "
            "--env NAME hands the key over to any program, in the variable NAME"
        )
    return call


def _for_others(
    life: int, packages: tuple[ProjectName, ...], files: tuple[str, ...], actions: tuple[str, ...]
) -> Narrowing:
    paths = named(files, Path())
    if len(paths) < len(files):
        raise ClientError(f"there are no files {' '.join(files)}")
    chosen = frozenset(map(Action, actions or (Action.UPLOAD,)))
    return Narrowing(life, frozenset(packages), sha256=digests_of(paths), actions=chosen)


def _key_for(place: Place, key_file: Path | None, call: Call) -> tuple[str, Place]:
    """Read the key, and find out where it goes if that is where its login is."""
    login = None if key_file is not None else login_for(place)
    if place.url is None and not place.told:
        if login is None:
            raise ClientError(
                f"say where {call.uploader.name} uploads to: --url URL, as in --url https://pypi.example.com/"
            )
        place = Place(login.url, told=False)
    return full_key(key_file, lambda: login or login_for(place)), place


def _signed(key: str, narrowing: Narrowing) -> str:
    return signed(key, narrowing, now=int(time.time()), nonce=os.urandom(NONCE_BYTES))


def _tell(program: str, narrowing: Narrowing) -> None:
    count, seconds = len(narrowing.sha256), narrowing.seconds or 0
    what = [f"{count} file{'s' * (count != 1)}"] if count else []
    what += [f"of {', '.join(sorted(narrowing.packages))}"] if narrowing.packages else []
    built = "" if count or not narrowing.packages else ", not for files: they are not built yet"
    bound = " ".join(what) or f"every {' and '.join(sorted(narrowing.actions))}"
    say(f"{Path(program).name}: a key for {bound}{built}, good until {moment(int(time.time()) + seconds)}")


def _run(ready: Prepared, key: str) -> int:
    if ready.state is None:
        running.become(ready.argv, ready.environ)
        return 0
    return run_beside(ready, key)


def run_beside(ready: Prepared, key: str) -> int:
    """Run the client and wait for its end, because something has to be done then."""
    if ready.state is None:
        return running.run(ready.argv, ready.environ)
    from tempfile import TemporaryDirectory  # for devpi alone, and slow to load

    with TemporaryDirectory(prefix="authproxy-") as folder:
        ready.state.write(Path(folder), key)
        environ: Mapping[str, str] = {**ready.environ, CLIENTDIR: folder}
        return running.run(ready.argv, environ)
