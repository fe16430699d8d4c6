"""What rules would have said to what really happened: rows of the record, one after the other, and a bounded tally.

The rules alone are asked: what a key has lived through since (revoked, expired, spent) is another matter, so a key
counts as it was when it worked. What only the index or the archive knew is not asked again: whether a file was there,
what its metadata says, how many uploads there were. This room keeps no row; it knows neither store nor clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import ip_address
from typing import Final, Protocol

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.attestations import read_written
from authproxy.domain.caveats import Lifetime, read_derivation
from authproxy.domain.explanation import Admission
from authproxy.domain.grants import Action
from authproxy.domain.keys import KeyRecord
from authproxy.domain.names import artifact, project_name
from authproxy.domain.policy import decide
from authproxy.domain.refusal import Code, Denial, Refused
from authproxy.domain.rules import Overwrite, Policy

# So many kinds of what changed are told apart, some MB; the rest is counted.
KINDS: Final = 10_000

DENIED: Final = "denied"

# Actions that a row tells the whole of.
_WHOLE: Final = frozenset({Action.READ, Action.UPLOAD, Action.DELETE, Action.PUSH})

# What was refused and cannot be read back, because the record has left some of it out, is judged as what ended at once:
# judged as the key itself it would be told as admitted.
UNREADABLE: Final = ("", (Lifetime(1, 0),))

# Refusals that rules decide alone, so that other rules may decide otherwise.
RULED: Final = frozenset(
    {
        Code.NOT_ALLOWED,
        Code.NO_RULE,
        Code.NETWORK,
        Code.FILETYPE,
        Code.VERSION,
        Code.TOO_LARGE,
        Code.PASSWORD_ENDED,
        Code.ATTESTATION,
    }
)


class Row(Protocol):
    """What a row of the record says, as far as it is asked again. What nobody knew is empty or None."""

    @property
    def time_ms(self) -> int: ...  # noqa: D102 - as the record has it, here and below
    @property
    def action(self) -> str: ...  # noqa: D102
    @property
    def index(self) -> str: ...  # noqa: D102
    @property
    def project(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def filename(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def sha256(self) -> str: ...  # noqa: D102
    @property
    def principal(self) -> str: ...  # noqa: D102
    @property
    def public_id(self) -> str | None: ...  # noqa: D102
    @property
    def key_id(self) -> str | None: ...  # noqa: D102
    @property
    def owner(self) -> str | None: ...  # noqa: D102
    @property
    def address(self) -> str: ...  # noqa: D102
    @property
    def outcome(self) -> str: ...  # noqa: D102
    @property
    def code(self) -> str | None: ...  # noqa: D102
    @property
    def rule(self) -> str: ...  # noqa: D102
    @property
    def grant(self) -> str: ...  # noqa: D102
    @property
    def derived(self) -> str | None: ...  # noqa: D102
    @property
    def source(self) -> str | None: ...  # noqa: D102
    @property
    def attestations(self) -> str | None: ...  # noqa: D102


def access_of(row: Row) -> Access | None:
    """Read what a row was about; None where it was refused before that was known."""
    if row.action not in _WHOLE or not row.project:
        return None
    if row.action == Action.PUSH and row.source is None:
        return None  # of a version that did not put on record where it came from
    try:
        project, file = project_name(row.project), artifact(row.filename) if row.filename else None
    except Refused:
        return None
    size = None if row.action == Action.PUSH else row.size  # nobody knows it of a file that is pushed
    known = (row.sha256 or None, row.version or None, row.source, read_written(row.attestations))
    return Access(Action(row.action), row.index, project, file, size, *known)


def who_asked(row: Row, key: KeyRecord | None) -> Principal:
    """Put together who asked then; `key` is their key, as it is to be judged."""
    name, caveats = (row.derived and read_derivation(row.derived)) or (None, None)
    if caveats is None and row.derived is not None and row.outcome == DENIED:
        name, caveats = UNREADABLE
    user, kind, address = None if key else row.owner, PrincipalKind(row.principal), ip_address(row.address)
    return Principal(kind, address, key, row.public_id, user, caveats, name)


class Turn(StrEnum):
    """How an answer changes."""

    REFUSED = "refused"  # it was admitted, and the new rules would refuse it
    ADMITTED = "admitted"  # it was refused, and the new rules would admit it


@dataclass(frozen=True, slots=True)
class Kind:
    """What is told together: whose uploads to what, decided by what."""

    turn: Turn
    key_id: str | None
    owner: str | None
    action: str
    index: str
    project: str
    code: str  # of the refusal, theirs or then
    reason: str
    rule: str  # that would admit it, or that did
    grant: str


@dataclass(slots=True)
class Seen:
    """How often, and which file last."""

    times: int = 0
    last_ms: int = 0
    file: str = ""


@dataclass(slots=True)
class Replay:
    """A replay under way; `new` are the rules that are asked."""

    new: Policy
    kinds: dict[Kind, Seen] = field(default_factory=dict)
    rows: int = 0  # all that were looked at
    unnamed: int = 0  # that named nothing to ask about
    unruled: int = 0  # that were refused for what no rule decides
    keyless: dict[str, int] = field(default_factory=dict)  # rows by keys that are gone
    keyless_more: int = 0  # by others than the first KINDS of these
    more: int = 0  # changes of kinds past the first KINDS

    def add(self, rows: Iterable[Row], keys: dict[str, KeyRecord]) -> None:
        """Ask the new rules about some rows; `keys` holds those of their keys that are still in the store."""
        for row in rows:
            self.rows += 1
            self._add(row, None if row.key_id is None else keys.get(row.key_id))

    def _add(self, row: Row, key: KeyRecord | None) -> None:
        access = access_of(row)
        if access is None or (access.action is Action.UPLOAD and access.artifact is None):
            self.unnamed += 1
        elif row.key_id is not None and key is None:
            self._gone(row.key_id)
        elif row.outcome == DENIED and row.code not in {*RULED, Code.CREATE, Code.FILE_EXISTS}:
            self.unruled += 1
        else:
            kind = self._judged(row, access, key)
            if kind is not None:
                self._count(kind, row)

    def _judged(self, row: Row, access: Access, key: KeyRecord | None) -> Kind | None:
        alive = None if key is None else replace(key, paused=False, revoked=None, expires=None)
        answer = decide(self.new, who_asked(row, alive), access, now=row.time_ms // 1000)
        if isinstance(answer, Denial):
            return None if row.outcome == DENIED else self._kind(Turn.REFUSED, row, answer.code, answer.reason)
        if row.outcome != DENIED or not _opens(row, answer):
            return None
        return self._kind(Turn.ADMITTED, row, row.code or "", "", answer)

    def _kind(self, turn: Turn, row: Row, code: str, reason: str, answer: Admission | None = None) -> Kind:
        rule, grant = (row.rule, row.grant) if answer is None else (answer.rule, answer.grant)
        return Kind(turn, row.key_id, row.owner, row.action, row.index, row.project, str(code), reason, rule, grant)

    def _count(self, kind: Kind, row: Row) -> None:
        seen = self.kinds.get(kind)
        if seen is None:
            if len(self.kinds) >= KINDS:
                self.more += 1
                return
            seen = self.kinds[kind] = Seen()
        seen.times += 1
        seen.last_ms, seen.file = max((seen.last_ms, seen.file), (row.time_ms, row.filename or row.version))

    def _gone(self, key_id: str) -> None:
        if key_id in self.keyless or len(self.keyless) < KINDS:
            self.keyless[key_id] = self.keyless.get(key_id, 0) + 1
        else:
            self.keyless_more += 1


def _opens(row: Row, answer: Admission) -> bool:
    """Whether a yes of the rules would have been a yes, for what was refused then."""
    if row.code == Code.CREATE:
        return answer.may_create
    if row.code == Code.FILE_EXISTS:
        return answer.overwrite is Overwrite.ALLOW
    return True
