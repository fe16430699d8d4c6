"""From where a key may be used, when its policy and the key itself both say.

This room compares networks and addresses. It does not know whose they are.
"""

from ipaddress import IPv4Address, IPv6Address

from authproxy.domain.rules import Network


def lets_in(networks: tuple[Network, ...], address: IPv4Address | IPv6Address) -> bool:
    """Whether an address lies in one of them; an empty list lets in everybody."""
    # A socket bound to `::` shows 192.0.2.1 as ::ffff:192.0.2.1 (RFC 4291, 2.5.5.2); rules name the former.
    plain = (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
    return not networks or any(plain in network for network in networks)


def holds(outer: Network, inner: Network) -> bool:
    """Whether all addresses of `inner` are in `outer`."""
    if outer.version != inner.version:
        return False
    return outer.prefixlen <= inner.prefixlen and inner.network_address in outer


def shared(one: tuple[Network, ...], other: tuple[Network, ...]) -> tuple[Network, ...] | None:
    """Find the networks that lie in both lists, where an empty list means everywhere; None where there are none.

    Two networks are nested or apart, so what they share is the smaller of them.
    """
    if not one or not other:
        return one or other
    inner = {b if holds(a, b) else a for a in one for b in other if holds(a, b) or holds(b, a)}
    return tuple(sorted(inner, key=lambda each: (each.version, int(each.network_address), each.prefixlen))) or None


def within(inner: tuple[Network, ...], outer: tuple[Network, ...]) -> bool:
    """Whether every address that the first list lets in is let in by the second. Where unsure, no."""
    return not outer or (bool(inner) and all(any(holds(each, it) for each in outer) for it in inner))
