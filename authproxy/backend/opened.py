"""What devpi takes besides packages, where the config opens it by name: `backend.opens`.

    indexes      PUT, PATCH, DELETE of /USER/INDEX       `devpi index`
    users        PUT, PATCH, DELETE of /USER             `devpi user`, `devpi passwd`
    tox-results  POST of /USER/INDEX/+f/.../FILE         `devpi test`

A row names exact targets, written as devpi-client writes them (no slash at the end, no escapes); what is no row is no
route. An index has to be one of the config. The body is JSON of which there are no two readings, and goes on as written
here.

This room is pure: it judges nobody. Whose password it takes is for `authproxy.web.opened`.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from authproxy.domain.refusal import Code, Refused, refuse

# The largest test results are those of many environments, some kilobytes each.
BODY_LIMIT: Final = 1024 * 1024  # bytes
# devpi-client's own bodies have five levels at most (test results); a deep one is made to be so.
DEEPEST: Final = 32

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_INDEX: Final = rf"(?P<index>{_NAME}/{_NAME})"
# A file of a stage. Its other spellings are for reads: devpi-client posts to the link as devpi wrote it.
_FILE: Final = r"\+f/[0-9a-f]{3}/[0-9a-f]{13}/[A-Za-z0-9_][A-Za-z0-9._+!-]{0,250}"
_MANAGED: Final = frozenset({"PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Opening:
    """One row. `lists` are the methods whose body may be a list of strings: `devpi index` sends ["bases=root/dev"]."""

    methods: frozenset[str]
    pattern: re.Pattern[str]
    lists: frozenset[str] = frozenset()


OPENINGS: Final = MappingProxyType(
    {
        "indexes": Opening(_MANAGED, re.compile(rf"/{_INDEX}", re.ASCII), frozenset({"PATCH"})),
        "users": Opening(_MANAGED, re.compile(rf"/{_NAME}", re.ASCII)),
        "tox-results": Opening(frozenset({"POST"}), re.compile(rf"/{_INDEX}/{_FILE}", re.ASCII)),
    }
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A request that a row allows to be asked. `body` is whether it has one."""

    method: str
    target: str
    body: bool
    lists: bool


def opened(names: Collection[str], indexes: Collection[str], method: str, raw_target: str) -> Opened | None:
    """Find the row for a request among the opened ones; None where there is none."""
    for name in names:
        row = OPENINGS[name]
        found = row.pattern.fullmatch(raw_target)
        if found and method in row.methods and found.groupdict().get("index", indexes) in (indexes, *indexes):
            return Opened(method, found[0], body=method != "DELETE", lists=method in row.lists)
    return None


def rewritten(content: bytes, *, lists: bool) -> bytes:
    """Read a body and write it anew. Raises Refused (request-invalid) for what is not one JSON object.

    With `lists` it may be a list of strings as well.
    """
    try:
        read = json.loads(content.decode("utf-8"), object_pairs_hook=_once)
        written = json.dumps(read, allow_nan=False)
        json.dumps(read, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is no text
    except (ValueError, RecursionError):
        raise _bad(lists=lists) from None
    listed = lists and isinstance(read, list) and all(isinstance(each, str) for each in read)
    if not (listed or isinstance(read, dict)) or _too_deep(read):
        raise _bad(lists=lists)
    return written.encode("ascii")


def _bad(*, lists: bool) -> Refused:
    takes = "one JSON object, or a list of strings" if lists else "one JSON object"
    return refuse(
        Code.REQUEST_INVALID,
        f"the body is not {takes}, with no name twice, finite numbers and {DEEPEST} levels at most",
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name that comes twice has two readings")
    return found


def _too_deep(read: object) -> bool:
    level: list[object] = [read]
    for _ in range(DEEPEST):
        level = [inner for each in level for inner in _inside(each)]
    return bool(level)


def _inside(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
