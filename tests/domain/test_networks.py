"""Where two lists of networks meet."""

from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.networks import holds, lets_in, shared, within

# A small world, so that networks meet; half of it is another family.
FOURS = st.builds(lambda number, bits: ip_network((number >> (32 - bits) << (32 - bits), bits)), st.sampled_from(
    [0x0A000000, 0x0A000001, 0x0A800000, 0x0AFF0000]
), st.integers(6, 32))  # fmt: skip
LISTS = st.lists(FOURS | st.just(ip_network("2001:db8::/32")), max_size=3).map(tuple)
ADDRESSES = st.sampled_from([0x0A000000, 0x0A000001, 0x0A800000, 0x0AFF0001, 0x0B000000]).map(IPv4Address) | st.just(
    ip_address("2001:db8::1")
)


@given(LISTS, LISTS, ADDRESSES)
def test_what_is_shared_is_let_in_by_both(one: tuple, other: tuple, address: IPv4Address) -> None:
    """An address passes both lists exactly where it passes what they share; where they share nothing, none passes."""
    both = lets_in(one, address) and lets_in(other, address)
    places = shared(one, other)
    assert both == (places is not None and lets_in(places, address))


@given(LISTS, LISTS, ADDRESSES)
def test_within_never_promises_too_much(one: tuple, other: tuple, address: IPv4Address) -> None:
    """Whatever a list lets in that lies within another, that one lets in as well."""
    if within(one, other) and lets_in(one, address):
        assert lets_in(other, address)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("", "", ""),
        ("10.0.0.0/8", "", "10.0.0.0/8"),
        ("", "10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.0/8", "10.1.0.0/16 192.0.2.1/32", "10.1.0.0/16"),
        ("10.1.0.0/16 2001:db8::/32", "10.0.0.0/8 2001:db8:1::/48", "10.1.0.0/16 2001:db8:1::/48"),
        ("10.0.0.0/8", "192.0.2.0/24", None),
        ("10.0.0.0/8", "2001:db8::/32", None),
    ],
)
def test_the_smaller_of_two_nested_ones(one: str, other: str, expected: str | None) -> None:
    """An empty list is everywhere, and None is nowhere."""
    places = shared(*(tuple(map(ip_network, each.split())) for each in (one, other)))
    assert (None if places is None else " ".join(map(str, places))) == expected


def test_families_hold_nothing_of_each_other() -> None:
    """0.0.0.0/0 is not everything."""
    assert not holds(ip_network("0.0.0.0/0"), ip_network("::1/128"))
    assert not within((), (ip_network("0.0.0.0/0"),))


def test_an_address_in_the_dress_of_the_other_family() -> None:
    """A socket for both families shows an IPv4 client as ::ffff:192.0.2.1."""
    assert lets_in((ip_network("192.0.2.0/24"),), ip_address("::ffff:192.0.2.1"))
    assert not lets_in((ip_network("192.0.2.0/24"),), ip_address("2001:db8::1"))
