"""What takes more than one key of the file to judge.

Each check reads what it needs from the document after the model has been through it, and the model need not have
come to an end: a slip in one corner of the file hides nothing in another.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from authproxy.config import values
from authproxy.config.document import Document, Loc
from authproxy.config.secrets import secret
from authproxy.config.settings import Limits
from authproxy.domain.grants import Pattern

_T = TypeVar("_T")


def _read(reader: Callable[[object], _T], value: object) -> _T | None:
    """Read a value as the model did; None where it is missing, or was wrong: the document keeps those to itself."""
    return None if value is None else reader(value)


def _rules(document: Document) -> list[Loc]:
    listed = document.get("packages")
    return [("packages", position) for position in range(len(listed) if isinstance(listed, list) else 0)]


def unreachable_rules(document: Document) -> None:
    """Refuse a package rule that an earlier one covers.

    An error, no warning: the rule that is never asked is as a rule the stricter one, and whoever wrote it believes
    that it holds.
    """
    earlier: list[tuple[Loc, Pattern]] = []
    for loc in _rules(document):
        pattern = _read(values.package_pattern, document.get(*loc, "match"))
        if pattern is None:
            continue
        first = next((each for each in earlier if each[1].covers(pattern)), None)
        if first is not None:
            line = document.values[first[0]][0]
            what = f"packages[{first[0][1]}] ({first[1].text}, line {line}) matches all that this rule matches"
            document.report((*loc, "match"), f"{what} and decides first: put this rule before it, or take it out")
        earlier.append((loc, pattern))


def sizes_over_the_limit(document: Document) -> None:
    """Refuse a package's size that limits.max_upload forbids before any rule is asked."""
    limit = _read(values.size, document.get("limits", "max_upload")) or Limits().max_upload
    for loc in _rules(document):
        size = _read(values.size, document.get(*loc, "max_size"))
        if size is not None and size > limit:
            sentence = f"limits.max_upload takes no file over {limit} bytes: raise that, or lower this"
            document.report((*loc, "max_size"), sentence)


def whole_account(document: Document) -> None:
    """Refuse half of the proxy's account in the index."""
    for one, other in (("username", "password"), ("password", "username")):
        backend = document.get("backend")
        if isinstance(backend, dict) and one in backend and other not in backend:
            document.report(("backend", one), f"backend.{one} takes a backend.{other} beside it", key=True)


def listeners_apart(document: Document) -> None:
    """Refuse metrics where clients connect."""
    listen, metrics = (_read(values.address, document.get(name)) for name in ("listen", "metrics"))
    if metrics is not None and metrics == listen and metrics.port:
        document.report(("metrics",), "metrics takes an address of its own: listen has this one")


def read_password(document: Document, base: Path, env: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Read the secret that backend.password names, and the warning about how it is kept; None for what is not."""
    reference = _read(values.secret_reference, document.get("backend", "password"))
    if reference is None:
        return None, None
    try:
        found = secret(reference, base, env)
    except ValueError as exc:
        document.report(("backend", "password"), f"backend.password: {exc}")
        return None, None
    return found.text, found.warning


CHECKS: tuple[Callable[[Document], None], ...] = (
    unreachable_rules,
    sizes_over_the_limit,
    whole_account,
    listeners_apart,
)
