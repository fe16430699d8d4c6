"""Derived keys that whoever has a MAC key could make, the right one or another."""

from authproxy.domain.caveats import Lifetime, Projects, base64url
from authproxy.domain.derived import chain, derive, parse_derived
from authproxy.domain.names import ProjectName
from tests.authority.conftest import NOW

FIVE_MINUTES = Lifetime(NOW + 300, NOW - 30)
CORE = Projects(frozenset({ProjectName("acme-core")}))
CAVEATS = (FIVE_MINUTES, CORE)
MASTER, OTHER = bytes(range(32)), bytes(range(32, 64))


def forged(text, made_of=bytes(32), caveats=CAVEATS):
    """A derived key of the same public id, made of another MAC key."""
    derived = derive(text, caveats, "apx")
    found = parse_derived(derived, "apx")
    start = f"apx_{found.unverified_public_id}".encode()
    return f"{derived.rpartition('.')[0]}.{base64url(chain(made_of, (start, *found.caveats)))}"
