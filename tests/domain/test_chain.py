"""The bytes of a derived key. That the chain is the published one stands in test_derived."""

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.caveats import Versions
from authproxy.domain.chain import array, base64url, chain, mac_key, put_together, start
from authproxy.domain.derived import derive, parse_derived
from authproxy.domain.keys import PublicId, mint
from authproxy.domain.versions import VersionPattern

TEXT = mint("apx", PublicId("Abc123XYZ7890"), bytes(32))


@given(st.binary(max_size=100))
def test_the_alphabet_is_that_of_urls(raw: bytes) -> None:
    """RFC 4648, section 5, without padding."""
    assert base64url(raw) == urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def test_what_is_put_together_parses() -> None:
    """All three parts are found again."""
    caveats = (b'[1,["acme"]]', b"[0,2,1]")
    tag = chain(mac_key("0" * 43), (start("apx", "0" * 13), *caveats))
    found = parse_derived(put_together("apx", "0" * 13, caveats, tag), "apx")
    assert found is not None
    assert (found.unverified_public_id, found.caveats, found.tag) == ("0" * 13, caveats, tag)
    assert array(()) == b"[]"


def test_what_takes_long_to_judge_is_not_derived() -> None:
    """Specifiers in many caveats, or many in one; what is derived at most is read."""
    patterns = frozenset(VersionPattern(f">{number}") for number in range(95))
    two = derive(TEXT, [Versions(patterns)] * 2, "apx")
    assert parse_derived(two, "apx") is not None
    with pytest.raises(ValueError, match="some 200 things at most"):
        derive(two, [Versions(patterns)], "apx")
