"""From a command to what has to be run: where it uploads, which key it is for, what the derived key is bound to.

This is where the full key is handled, and where it ends: of what comes out only `environ` holds a key, the derived one,
and whatever of the caller's environment held the full key is not in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from authproxy.client import devpi_login
from authproxy.client.digests import digests_of, projects_of
from authproxy.client.errors import ClientError
from authproxy.client.logins import Login, logins, origin_of
from authproxy.client.signing import Narrowing
from authproxy.client.uploaded import project_of
from authproxy.client.uploaders import Call
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName

UPLOAD: Final = frozenset({Action.UPLOAD})
POETRY: Final = "authproxy"  # the repository that a call of poetry's gets where it names none


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command uploads to. `url` is None where only the client knows what its name stands for.

    `told`: the client says so itself and is told nothing.
    """

    url: str | None
    told: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """What to run. `state` is what devpi-client finds in its folder; `environ` and it hold the derived key."""

    argv: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)
    state: devpi_login.State | None = None


def place_of(call: Call, url: str | None, environ: Mapping[str, str]) -> Place:
    """Find out where a command uploads to; `url` is what the caller says. Raises ClientError where two differ."""
    uploader = call.uploader
    if held := [name for name in uploader.secrets if name in call.line.options]:
        raise ClientError(f"leave {held[0]} out: {uploader.name} gets its credentials here")
    option = next((call.line.options[name] for name in uploader.places if name in call.line.options), None)
    if option is not None:
        own = option if "://" in option else None
        if url and own and origin_of(url) != origin_of(own):
            raise ClientError(f"the command and --url name two places: {own} and {url}")
        return Place(own or url, told=True)
    if url:
        return Place(url, told=False)
    variable = next((environ[name] for name in uploader.places if environ.get(name)), None)
    if variable is not None:
        return Place(variable if "://" in variable else None, told=True)
    if uploader.name == "devpi" and (state := devpi_login.state_in_use(environ)):
        return Place(state.index, told=True)
    return Place(None, told=False)


def login_for(place: Place) -> Login:
    """Find the login for a place, or the only one that there is. Raises ClientError."""
    known = logins()
    if place.url is not None:
        login = known.get(origin_of(place.url) or "")
        if login is None:
            raise ClientError(
                f"nobody has logged in to {origin_of(place.url) or place.url} here: "
                f"authproxy login {place.url}, or name a file that holds the key by --key-file"
            )
        return login
    if len(known) != 1:
        many = f"there are logins for {' and '.join(known)}" if known else "nobody has logged in here"
        raise ClientError(f"{many}: say which key by --url or --key-file; `authproxy login URL` keeps one")
    return next(iter(known.values()))


def narrowing_of(call: Call, seconds: int, packages: frozenset[ProjectName], here: Path) -> Narrowing:
    """Bind to what the command uploads: files, or the project that they are built of. Raises ClientError, OSError."""
    folder = call.uploader.folder(call.line, here)
    paths = call.uploader.finds(call.line, folder)
    if paths is None:
        name = project_of(folder)
        found = packages or frozenset({ProjectName(name)} if name else ())
        if not found:
            raise ClientError(f"the project's name is in no file of {folder}: say it by --package NAME")
        return Narrowing(seconds, packages=found, actions=UPLOAD)
    if not paths:
        raise ClientError(f"there are no files for {call.uploader.name} to upload in {folder}: build them first")
    return Narrowing(seconds, packages or projects_of(paths), sha256=digests_of(paths), actions=UPLOAD)


def prepared(argv: tuple[str, ...], call: Call, place: Place, key: str, environ: Mapping[str, str]) -> Prepared:
    """Give the client the derived key, and the URL where it says none itself. `environ` is `without` the full key."""
    uploader = call.uploader
    if uploader.name == "devpi":
        return _with_state(argv, place, uploader.cleared, environ)
    appended = uploader.appended if not place.told else ()
    name = call.line.first("-r", "--repository") or POETRY
    fill = _filler({"<key>": key, "<url>": place.url or "", "<NAME>": name.upper().replace("-", "_").replace(".", "_")})
    settings = {**uploader.key, **({} if place.told else uploader.told)}
    # A variable that names another place would stand against the one that the client is told.
    cleared = {*uploader.cleared, *(() if place.told else uploader.places)}
    kept = {name: value for name, value in environ.items() if name not in cleared}
    return Prepared((*argv, *appended), {**kept, **{fill(name): fill(value) for name, value in settings.items()}})


def _with_state(argv: tuple[str, ...], place: Place, cleared: tuple[str, ...], environ: Mapping[str, str]) -> Prepared:
    in_use = devpi_login.state_in_use(environ) if place.told else None
    if in_use is None and place.url is None:
        raise ClientError("devpi uses no index: say which by --url, as in --url https://pypi.example.com/team/dev")
    state = in_use or devpi_login.state_of(place.url or "")
    dropped = {*cleared, *(() if place.told else ("DEVPI_INDEX",))}
    if (Path(environ.get("VIRTUAL_ENV") or "/nowhere") / "devpi.json").exists():
        dropped.add("VIRTUAL_ENV")  # or devpi-client would look for its state there
    return Prepared(argv, {name: value for name, value in environ.items() if name not in dropped}, state)


def without(environ: Mapping[str, str], key: str) -> dict[str, str]:
    """Return an environment without whatever holds the key, such as the variable that `client-config` speaks of."""
    return {name: value for name, value in environ.items() if key not in value}


def _filler(places: Mapping[str, str]) -> Callable[[str], str]:
    def fill(text: str) -> str:
        for place, value in places.items():
            text = text.replace(place, value)
        return text

    return fill
