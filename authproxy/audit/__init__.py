"""The record: one row for every decision about an upload, made before the index sees a byte and completed after.

This room knows how a decision is written down, not how it was reached nor what a response looks like. Requests without
a valid key leave no row: a row costs a write to the disk, and whoever floods us with guesses would fill it.
"""

import logging
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final

from authproxy.domain.access import Access, Principal, PrincipalKind
from authproxy.domain.attestations import written
from authproxy.domain.caveats import shortened
from authproxy.domain.keys import KeyRecord
from authproxy.domain.policy import Admission
from authproxy.domain.refusal import Code, Denial, Refused
from authproxy.store import Entry, Store

log: Final = logging.getLogger("authproxy.audit")


# The index's trouble, this machine's, and what passes by itself.
NO_DECISION: Final = frozenset(
    {
        Code.BUSY,
        Code.INDEX_TIMEOUT,
        Code.INDEX_UNREACHABLE,
        Code.INTERNAL,
        Code.MISCONFIGURED,
        Code.STORAGE_FULL,
        Code.TIMEOUT,
    }
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from. `client` is what it calls itself, already bounded printable ASCII."""

    request_id: str
    time_ms: int  # unix milliseconds, UTC
    address: str
    client: str


def entry(origin: Origin, principal: Principal, access: Access, admission: Admission | None) -> Entry:
    """Write a decision down; `admission` is None for a refusal."""
    artifact = access.artifact
    return Entry(
        time_ms=origin.time_ms,
        request_id=origin.request_id,
        action=access.action.value,
        index=access.index,
        project=access.project or "",
        version=artifact.version if artifact else access.version or "",
        filename=artifact.filename if artifact else "",
        identity=artifact.identity if artifact else "",
        size=access.size or 0,
        sha256=access.sha256 or "",
        principal=principal.kind.value,
        key_id=principal.key.id if principal.key else None,
        public_id=principal.public_id,
        owner=principal.key.owner if principal.key else principal.user,
        rule=admission.rule if admission else "",
        grant=admission.grant if admission else "",
        address=origin.address,
        client=origin.client,
        warning=admission.remark if admission else None,
        source=access.source,
        derived=principal.derivation,
        claims=principal.key.claims if principal.key else None,
        attestations=written(access.attested.found),
        lineage=principal.lineage,
    )


def of_key(
    origin: Origin,
    action: str,
    who: PrincipalKind,
    key: KeyRecord,
    public_id: str,
    *,
    derived: str | None = None,
    remark: str | None = None,
) -> Entry:
    """Write down what happened to a key, or to what was derived from it; it is about no package."""
    return Entry(
        time_ms=origin.time_ms,
        request_id=origin.request_id,
        action=action,
        index="",
        project="",
        version="",
        filename="",
        identity="",
        size=0,
        sha256="",
        principal=who.value,
        key_id=key.id,
        public_id=public_id,
        owner=key.owner,
        rule="",
        grant="",
        address=origin.address,
        client=origin.client,
        warning=remark,
        derived=derived,
        claims=key.claims,
    )


async def record_refusal(store: Store, origin: Origin, principal: Principal, access: Access, denial: Denial) -> None:
    """Put a refusal of a known key or user on record."""
    row = entry(origin, principal, access, None)
    short = row if row.derived is None else replace(row, derived=shortened(row.derived))
    await store.record_refusal(short, denial.code, denial.reason)


def refusals(store: Store, origin: Origin, principal: Principal, access: Access) -> "_Refusals":
    """Put the refusal that ends this block on record, but for what says nothing about who asked for what."""
    return _Refusals(store, origin, principal, access)


@dataclass(slots=True)
class _Refusals:
    store: Store
    origin: Origin
    principal: Principal
    access: Access

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(exc, Refused) and exc.denial.code not in NO_DECISION:
            await record_refusal(self.store, self.origin, self.principal, self.access, exc.denial)
