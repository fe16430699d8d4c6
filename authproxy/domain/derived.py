"""Derived keys: what a holder makes of a key, offline, that may do less. The chain that binds caveats to a key.

    apx_<public id>.<caveats>.<tag>

- caveats: the JSON array of all caveats in the order in which they were added, compact, as base64url without padding.
- tag: 32 bytes as base64url, the end of the chain. With k = HKDF-SHA256(secret, info="authproxy derived keys 1")

      t(0) = HMAC-SHA256(k, "apx_<public id>")      t(i) = HMAC-SHA256(t(i-1), caveat i)

  This is the macaroon of Birgisson et al. (NDSS 2014) with first-party caveats alone. Whoever has a tag can add a
  caveat and nobody can take one away: that would take t(i-1), and HMAC does not run backwards.

Law 1. A caveat that is added never widens. What a caveat means depends on it and on those before it, never on those
       that come after (`authproxy.domain.narrowing`).
Law 2. A derived key grants nothing: what it may do is what its key may, by the store, less the caveats.
Law 3. `parse_derived` takes exactly what `derive` can emit, and no byte of it can change.

To prove the bytes (`verifies`) and to understand the caveats (`caveats.read_caveat`) are two steps; a key has to pass
both. This room knows no store and no clock, and cannot tell whether the key behind a derived one still lives.

How this may change: never in place, as in `authproxy.domain.keys`. `tests/vectors/derived.txt` holds derived keys that
must verify for ever.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest, digest
from typing import Final

from authproxy.domain import chain as links
from authproxy.domain.base62 import ALPHABET, base62
from authproxy.domain.caveats import CAVEAT, Caveat, bytes_of, tag_of, write_caveat
from authproxy.domain.chain import DERIVED_LIMIT, array, chain, put_together, start
from authproxy.domain.keys import KEY_ID_LENGTH, PUBLIC_ID_LENGTH, KeyId, PublicId, SecretText, parse

CAVEATS_LIMIT: Final = 16  # each costs one HMAC
# Commas of all caveats. A version specifier takes 25 us to read and as much to ask, so that a request is judged in
# 10 ms; digests of files, the longest lists that are of use, are fewer than 100 in 6,000 characters.
COMMAS_LIMIT: Final = 200
NAME_LENGTH: Final = 16  # 95 bits of a digest: no two derived keys share a name by chance

_NAMES: Final = len(ALPHABET) ** NAME_LENGTH

_BODY: Final = re.compile(
    rf"_(?P<public_id>[0-9A-Za-z]{{{PUBLIC_ID_LENGTH}}})\.(?P<caveats>[0-9A-Za-z_-]+)\.(?P<tag>[0-9A-Za-z_-]{{43}})"
)


@dataclass(frozen=True, slots=True)
class UnverifiedDerived:
    """A string that could be a derived key. It proves nothing, and its caveats may mean nothing."""

    unverified_id: KeyId
    unverified_public_id: PublicId
    caveats: tuple[bytes, ...]
    tag: bytes = field(repr=False)


def parse_derived(text: str, prefix: str) -> UnverifiedDerived | None:
    """Read a derived key; None for everything that `derive` would not emit with this prefix.

    Caveats with tags that nobody knows are read as well: what they mean is another question. The work is bounded by
    DERIVED_LIMIT, which is looked at before anything is decoded, and COMMAS_LIMIT, before anything is understood.
    """
    if len(text) > DERIVED_LIMIT or not text.startswith(prefix):
        return None
    match = _BODY.fullmatch(text, len(prefix))
    raw, tag = (bytes_of(match["caveats"]), bytes_of(match["tag"])) if match else (None, None)
    if match is None or raw is None or tag is None or raw.count(b",") > COMMAS_LIMIT:
        return None
    caveats = tuple(CAVEAT.findall(raw))
    # Put together again it is the same text, or there was something between, before or behind what was found.
    if array(caveats) != raw or not 1 <= len(caveats) <= CAVEATS_LIMIT:
        return None
    public = PublicId(match["public_id"])
    return UnverifiedDerived(KeyId(public[:KEY_ID_LENGTH]), public, caveats, tag)


def mac_key(secret: SecretText) -> bytes:
    """Make the key of the chain from the secret of a key."""
    return links.mac_key(secret.reveal())


def verifies(derived: UnverifiedDerived, key: bytes, prefix: str) -> bool:
    """Say whether whoever made this had the secret that `key` was made of (`mac_key`), or a derived key of it."""
    begun = start(prefix, derived.unverified_public_id)
    return compare_digest(chain(key, (begun, *derived.caveats)), derived.tag)


def derive(text: str, caveats: Sequence[Caveat], prefix: str) -> str:
    """Add caveats to a key, or to a derived key, in the order of their tags: what others rest on comes before them.

    Raises ValueError: the text is neither, there are no caveats or too many, or one of them cannot be written.
    """
    added = tuple(write_caveat(caveat) for caveat in sorted(caveats, key=tag_of))
    if not added:
        raise ValueError("a derived key has at least one caveat: say what it may still do, or for how long")
    public_id, tag, before = _parent(text, prefix)
    every = (*before, *added)
    written = put_together(prefix, public_id, every, chain(tag, added))
    if array(every).count(b",") > COMMAS_LIMIT:
        raise ValueError(f"a derived key names some {COMMAS_LIMIT} things at most: name fewer than this one would")
    if len(every) > CAVEATS_LIMIT or len(written) > DERIVED_LIMIT:
        raise ValueError(
            f"a derived key has at most {CAVEATS_LIMIT} caveats and {DERIVED_LIMIT} characters, this one would have "
            f"{len(every)} and {len(written)}: name fewer files or packages"
        )
    return written


def derived_name(derived: UnverifiedDerived) -> str:
    """Name a derived key for logs, the record and sentences. It is no secret: the tag cannot be had from it."""
    return _name(derived.tag)


def lineage(derived: UnverifiedDerived, key: bytes, prefix: str) -> tuple[str, ...] | None:
    """Name every derived key that this one can have been made of, the oldest first and itself last.

    To end one of them has to end this one too: who has it could otherwise add a caveat and go on under a new name.
    None where it does not verify: one walk along the chain answers both.
    """
    tag, tags = digest(key, start(prefix, derived.unverified_public_id), "sha256"), []
    for text in derived.caveats:
        tag = digest(tag, text, "sha256")
        tags.append(tag)
    return tuple(map(_name, tags)) if compare_digest(tag, derived.tag) else None


def _parent(text: str, prefix: str) -> tuple[PublicId, bytes, tuple[bytes, ...]]:
    """The public id, the tag that the chain goes on from, and the caveats that are there."""
    if (key := parse(text, prefix)) is not None:
        begun = start(prefix, key.unverified_public_id)
        return key.unverified_public_id, chain(mac_key(key.secret), (begun,)), ()
    if (derived := parse_derived(text, prefix)) is not None:
        return derived.unverified_public_id, derived.tag, derived.caveats
    raise ValueError(f"this is no key: it begins with {prefix}_, and comes whole or not at all")


def _name(tag: bytes) -> str:
    return base62(int.from_bytes(sha256(tag).digest()) % _NAMES, NAME_LENGTH)
