"""The short way of `authproxy exec --key-file FILE -- twine upload FILES`, the command that stands in most pipelines.

It makes what the whole command makes, byte for byte (a test holds that), and loads a tenth of it: what a person waits
for before an upload is nearly all modules that are loaded. So it reads no option but the plain ones, knows no client
but twine, and has no sentence for what is wrong: for everything that is not as simple as that it says None, has
changed nothing, and the whole command does it, or says why not.
"""

from __future__ import annotations

import os
import stat
import time

from authproxy.domain.base62 import ALPHABET, CHECK_LENGTH, base62, check
from authproxy.domain.chain import DERIVED_LIMIT, base64url, chain, mac_key, put_together, start

TYPE_CHECKING = False  # as `typing` has it, which takes longer to load than all of this
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

_OPTIONS: Final = frozenset({"--key-file", "--url", "--expires"})
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_LIFE: Final = "5m"
_FLAGS: Final = frozenset({"--non-interactive", "--skip-existing", "--verbose", "--disable-progress-bar"})
_PLACES: Final = ("--repository-url", "-r", "--repository")
_TOLD_BY: Final = ("TWINE_REPOSITORY_URL", "TWINE_REPOSITORY")
_BESIDE: Final = (".asc", ".attestation")
# The layout of a key (`authproxy.domain.keys`), and the longest name of a project.
_PUBLIC_ID: Final = 13
_SECRET: Final = 43
_LARGEST: Final = base62(2**256 - 1, _SECRET)
_KEY_BYTES: Final = 200
_PREFIX_LENGTHS: Final = range(2, 11)
_PROJECT: Final = 100
_FILES: Final = 20  # more need not be quick, and may be too many for one key
_PLAIN: Final = frozenset(ALPHABET + "._-")


class Straight:
    """What to run: `argv` as it was said, `environ` with the derived key, and the line that tells of it."""

    __slots__ = ("argv", "environ", "told")

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], told: str) -> None:
        self.argv = argv
        self.environ = environ
        self.told = told


def straight(arguments: Sequence[str], environ: Mapping[str, str], now: int) -> Straight | None:
    """Read the arguments behind `exec`; None where the whole command has to. `now` is in unix seconds."""
    options, argv = _options(arguments)
    url = _url(options["--url"]) if "--url" in options else None
    paths = _paths(argv, environ, url) if url or "--url" not in options else None
    life = _seconds(options.get("--expires", _LIFE))
    key = _key(options.get("--key-file"))
    if not paths or len(paths) > _FILES or life is None or key is None or not _is_there(argv[0], environ):
        return None
    projects = {_project(os.path.basename(path)) for path in paths}
    if None in projects:
        return None
    names = sorted(map(str, projects))
    digests = sorted({_sha256(path) for path in paths})
    expires = now + life
    caveats = (
        f"[0,{expires},{now}]",
        f'[1,["{_joined(names)}"]]',
        f'[101,["{_joined(digests)}"]]',
        '[105,["upload"]]',
    )
    made = _derived(key, [each.encode("ascii") for each in caveats])
    if len(made) > DERIVED_LIMIT:
        return None
    kept = {name: value for name, value in environ.items() if key not in value and not (url and name in _TOLD_BY)}
    kept |= {"TWINE_REPOSITORY_URL": url} if url else {}
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))
    count = f"{len(digests)} file{'s' * (len(digests) != 1)}"
    told = f"twine: a key for {count} of {', '.join(names)}, good until {ends}"
    return Straight(argv, {**kept, "TWINE_USERNAME": "__token__", "TWINE_PASSWORD": made}, told)


def _options(arguments: Sequence[str]) -> tuple[dict[str, str], Sequence[str]]:
    """Read the options that are known here, and the command behind `--`; an empty command for all else."""
    options: dict[str, str] = {}
    at = 0
    while at + 1 < len(arguments) and arguments[at] in _OPTIONS:
        options[arguments[at]] = arguments[at + 1]
        at += 2
    return options, arguments[at + 1 :] if arguments[at : at + 1] == ["--"] else ()


def _paths(argv: Sequence[str], environ: Mapping[str, str], url: str | None) -> list[str] | None:
    """Read `twine upload`: its files, where all of it is understood and one of the two says where they go."""
    if len(argv) < 3 or os.path.basename(argv[0]) != "twine" or argv[1] != "upload":
        return None
    told = bool(url) or any(environ.get(name) for name in _TOLD_BY)
    found: list[str] = []
    words = iter(argv[2:])
    for word in words:
        if word in _PLACES:
            told = bool(next(words, "")) and url is None
        elif word[:1] != "-":
            if not os.path.isfile(word):
                return None  # a pattern, a folder, or nothing
            found.append(word)
        elif word not in _FLAGS:
            return None
    return [path for path in found if not path.endswith(_BESIDE)] if told else None


def _url(text: str) -> str | None:
    """Read the plainest address of a proxy; None for another one, which the whole command reads."""
    scheme, _, rest = text.partition("://")
    host, colon, port = rest.partition("/")[0].partition(":")
    plain = scheme in {"https", "http"} and host and _PLAIN.issuperset(rest.replace("/", "").replace(":", "", 1))
    if not plain or (colon and not (port.isdigit() and len(port) < 5)):
        return None
    return text if text.endswith("/") else f"{text}/"


def _is_there(program: str, environ: Mapping[str, str]) -> bool:
    folders = [""] if os.path.dirname(program) else os.get_exec_path(environ)
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in folders)


def _seconds(text: str) -> int | None:
    number, unit = text[:-1], text[-1:]
    plain = number.isascii() and number.isdigit() and number[0] != "0" and len(number) < 8
    return int(number) * _SECONDS[unit] if plain and unit in _SECONDS else None


def _key(path: str | None) -> str | None:
    """Read a whole key out of a file that nobody else may read."""
    try:
        found = os.stat(path or "")
        if path == "-" or not stat.S_ISREG(found.st_mode) or found.st_size > _KEY_BYTES:
            return None  # what is no file can be read once
        with open(path or "", "rb") as stream:
            private = not os.fstat(stream.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
            text = stream.read(_KEY_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return None
    return text if private and _whole(text) else None


def _whole(text: str) -> bool:
    prefix, public_id, secret = (*text.split("_", 2), "", "")[:3]
    plain = all(each.isascii() and each.isalnum() for each in (prefix, public_id, secret))
    return (
        plain
        and prefix == prefix.lower() != "pypi"
        and prefix[0].isalpha()
        and len(prefix) in _PREFIX_LENGTHS
        and len(public_id) == _PUBLIC_ID
        and len(secret) == _SECRET + CHECK_LENGTH
        and secret[:_SECRET] <= _LARGEST
        and check(text[:-CHECK_LENGTH]) == text[-CHECK_LENGTH:]
    )


def _project(filename: str) -> str | None:
    """Read the project off the plain name of a wheel or an sdist."""
    if filename.endswith(".whl"):
        parts = filename.removesuffix(".whl").split("-")
        name, version = parts[:2] if len(parts) == 5 else ("", "")
    else:
        name, _, version = (
            filename.removesuffix(".tar.gz").rpartition("-") if filename.endswith(".tar.gz") else ("",) * 3
        )
    plain = (
        bool(name) and len(name) <= _PROJECT and _PLAIN.issuperset(name) and name[0].isalnum() and name[-1].isalnum()
    )
    if not plain or not version[:1].isdigit() or not _PLAIN.issuperset(version):
        return None
    return "-".join(filter(None, name.lower().replace("_", "-").replace(".", "-").split("-")))


def _sha256(path: str) -> str:
    from hashlib import file_digest

    with open(path, "rb") as stream:
        return base64url(file_digest(stream, "sha256").digest())


def _joined(texts: Sequence[str]) -> str:
    return '","'.join(texts)


def _derived(key: str, caveats: Sequence[bytes]) -> str:
    prefix, public_id, secret = key.split("_")
    tag = chain(mac_key(secret[:_SECRET]), (start(prefix, public_id), *caveats))
    return put_together(prefix, public_id, caveats, tag)
