"""What takes more than one key of the file to judge.

Each check reads what it needs from the document after the model has been through it, and the model need not have
come to an end: a slip in one corner of the file hides nothing in another.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from authproxy.config import listening, values
from authproxy.config.databases import is_postgres
from authproxy.config.document import Document, Loc
from authproxy.config.leaks import identifiers_apart
from authproxy.config.masters import former_beside_current
from authproxy.config.problem import Problem
from authproxy.config.publishers import (
    claims_that_tell,
    issuers_of_their_own,
    keys_of_their_kind,
    publishers_apart,
)
from authproxy.config.secrets import secret
from authproxy.config.settings import FlavourName, Limits
from authproxy.config.webhooks import names_apart
from authproxy.domain.grants import ANY, Pattern
from authproxy.domain.refusal import quoted
from authproxy.domain.rules import Policy, Requirement
from authproxy.domain.sizes import exact

_T = TypeVar("_T")


def _read(reader: Callable[[object], _T], value: object) -> _T | None:
    """Read a value as the model did; None where it is missing, or was wrong: the document keeps those to itself."""
    return None if value is None else reader(value)


def _listed(document: Document, *loc: str | int) -> list[Loc]:
    """The locations of what a list holds."""
    found = document.get(*loc)
    return [(*loc, position) for position in range(len(found) if isinstance(found, list) else 0)]


@dataclass(frozen=True, slots=True)
class _Written:
    """A package rule as it stands there: where, for which packages, and in which indexes (empty: in all)."""

    loc: Loc
    pattern: Pattern
    indexes: frozenset[str]
    enforced: bool  # one on trial leaves the decision to those behind it

    def hides(self, later: "_Written") -> bool:
        return (
            self.enforced
            and self.pattern.covers(later.pattern)
            and (not self.indexes or (bool(later.indexes) and later.indexes <= self.indexes))
        )


def _written(document: Document, loc: Loc) -> _Written | None:
    pattern = _read(values.package_pattern, document.get(*loc, "match"))
    named = document.get(*loc, "indexes")
    indexes = frozenset(map(str, named)) if isinstance(named, list) else frozenset()
    if pattern is None or document.is_bad((*loc, "indexes")):
        return None
    return _Written(loc, pattern, indexes, enforced=document.get(*loc, "enforce") is not False)


def unreachable_rules(document: Document) -> None:
    """Refuse a package rule that an earlier one covers.

    An error, no warning: the rule that is never asked is as a rule the stricter one, and whoever wrote it believes
    that it holds.
    """
    # A plain name covers itself alone, so only globs are compared one by one: ten thousand plain rules take no time.
    plain: dict[str, list[_Written]] = {}
    globs: list[_Written] = []
    for rule in filter(None, (_written(document, loc) for loc in _listed(document, "packages"))):
        same = plain.setdefault(rule.pattern.text, [])
        hiding = [each for each in (*globs, *same) if each.hides(rule)]
        first = min(hiding, key=lambda each: each.loc[1], default=None)
        if first is not None:
            line = document.values[first.loc][0]
            what = f"packages[{first.loc[1]}] ({first.pattern.text}, line {line}) matches all that this rule matches"
            document.report((*rule.loc, "match"), f"{what} and decides first: put this rule before it, or take it out")
        (globs if ANY in rule.pattern.text else same).append(rule)


def sizes_over_the_limit(document: Document) -> None:
    """Refuse a package's size that limits.max_upload forbids before any rule is asked."""
    limit = _read(values.size, document.get("limits", "max_upload")) or Limits().max_upload
    for loc in _listed(document, "packages"):
        size = _read(values.size, document.get(*loc, "max_size"))
        if size is not None and size > limit:
            sentence = f"limits.max_upload takes no file over {exact(limit)}: raise that, or lower this"
            document.report((*loc, "max_size"), sentence)


def signed_with_a_master_key(document: Document) -> None:
    """Refuse a rule for derived keys alone where none is taken, so that nobody could upload."""
    if document.get("keys", "master_key") is not None or document.is_bad(("keys", "master_key")):
        return
    for loc in _listed(document, "packages"):
        if document.get(*loc, "require") == Requirement.SIGNED and document.get(*loc, "enforce") is not False:
            sentence = "require: signed takes a keys.master_key: without one no derived key is taken, so nobody may"
            document.report((*loc, "require"), sentence)


def shut_to_publishers(policy: Policy) -> Iterator[tuple[int, str]]:
    """Name the rules for derived keys alone that shut a trusted publisher out, by their place, each with a sentence."""
    for publisher in policy.publishers.values():
        for pattern in publisher.packages:
            told = (
                f"require: signed refuses what {publisher.label} uploads to {pattern.text}: its jobs send keys as they "
            )
            told += "are, and require: trusted-publisher lets those in"
            yield from ((at, told) for at in _signed_for(policy, pattern))


def _signed_for(policy: Policy, pattern: Pattern) -> Iterator[int]:
    """Find the rules for derived keys alone that decide about packages of a pattern, or about some of them."""
    for at, rule in enumerate(policy.packages):
        if not rule.enforce:
            continue
        whole = rule.match.covers(pattern)
        if rule.require is Requirement.SIGNED and (whole or pattern.covers(rule.match)):
            yield at
        if whole and not rule.indexes:
            return


def whole_account(document: Document) -> None:
    """Refuse half of the proxy's account in the index."""
    for one, other in (("username", "password"), ("password", "username")):
        backend = document.get("backend")
        if isinstance(backend, dict) and one in backend and other not in backend:
            document.report(("backend", one), f"backend.{one} takes a backend.{other} beside it", key=True)


def indexes_of_devpi(document: Document) -> None:
    """Refuse devpi without its indexes, indexes of an index that has none, and one that is named twice."""
    flavour, indexes = document.get("backend", "flavour"), document.get("backend", "indexes")
    where = ("backend", "indexes")
    if flavour == FlavourName.DEVPI and indexes is None:
        document.report(
            where, "backend.indexes is missing: devpi has many, name those that stand here, as in [team/dev]"
        )
    if flavour == FlavourName.PYPISERVER and indexes is not None:
        document.report(where, "pypiserver is one index: backend.indexes is for devpi, take it out", key=True)
    for position, index in enumerate(indexes if isinstance(indexes, list) else ()):
        if index in indexes[:position]:
            document.report((*where, position), f"{quoted(str(index))} is in the list already, once is enough")


def opened_of_devpi(document: Document) -> None:
    """Refuse to open what an index does not have, and what is open already."""
    flavour, opens = document.get("backend", "flavour"), document.get("backend", "opens")
    where = ("backend", "opens")
    if flavour == FlavourName.PYPISERVER and opens is not None:
        document.report(where, "pypiserver has nothing to open: backend.opens is for devpi, take it out", key=True)
    for position, name in enumerate(opens if isinstance(opens, list) else ()):
        if name in opens[:position]:
            document.report((*where, position), f"{quoted(str(name))} is in the list already, once is enough")


def _grants(document: Document) -> list[Loc]:
    policies = document.get("key_policies")
    named = policies if isinstance(policies, dict) else {}
    return [loc for name in named for loc in _listed(document, "key_policies", name, "allow")]


def indexes_that_are_there(document: Document) -> None:
    """Refuse a grant or a rule for an index that no upload goes to: it is misspelt. Bases may still be read."""
    flavour, known = document.get("backend", "flavour"), document.get("backend", "indexes")
    for loc in [*_grants(document), *_listed(document, "packages"), *_listed(document, "publishers")]:
        named, actions = document.get(*loc, "indexes"), document.get(*loc, "actions")
        if named is not None and flavour == FlavourName.PYPISERVER:
            document.report((*loc, "indexes"), "pypiserver is one index: take indexes out", key=True)
        if not isinstance(named, list) or not isinstance(known, list) or "read" in (actions or ()):
            continue
        for position, index in enumerate(named):
            if index not in known:
                sentence = f"{quoted(str(index))} is none of backend.indexes, so no upload goes there"
                document.report((*loc, "indexes", position), sentence)


def read_password(
    document: Document, base: Path, env: Mapping[str, str], *where: str
) -> tuple[str | None, Problem | None]:
    """Read the secret that a key of the file names, and the warning about how it is kept; None for what is not."""
    reference = _read(values.secret_reference, document.get(*where))
    if reference is None:
        return None, None
    name = ".".join(where)
    try:
        found = secret(reference, base, env)
    except ValueError as exc:
        document.report(where, f"{name}: {exc}")
        return None, None
    return found.text, document.problem(where, f"{name}: {found.warning}") if found.warning else None


def store_alone(document: Document) -> None:
    """Refuse what a SQLite file has no use for, and a PostgreSQL database without a place for what is spooled."""
    store = document.get("store")
    if not isinstance(store, str) or document.is_bad(("store",)):
        return
    if is_postgres(store):
        if document.get("state_directory") is None:
            sentence = "state_directory is missing: there is no file of the store beside which uploads could be spooled"
            document.report(("state_directory",), sentence)
        return
    for name in ("store_password", "store_grace"):
        if document.get(name) is not None:
            document.report((name,), f"a SQLite file has no server: {name} is for PostgreSQL, take it out", key=True)


CHECKS: tuple[Callable[[Document], None], ...] = (
    unreachable_rules,
    sizes_over_the_limit,
    signed_with_a_master_key,
    whole_account,
    indexes_of_devpi,
    opened_of_devpi,
    indexes_that_are_there,
    *listening.CHECKS,
    names_apart,
    store_alone,
    identifiers_apart,
    former_beside_current,
    keys_of_their_kind,
    claims_that_tell,
    issuers_of_their_own,
    publishers_apart,
)
