"""From options to caveats, and from a key to one that may do less."""

from ipaddress import ip_network

import pytest

from authproxy.client.errors import ClientError
from authproxy.client.signing import DAY, Narrowing, signed
from authproxy.domain.caveats import Actions, Digests, Indexes, Lifetime, Networks, Once, Projects, Versions
from authproxy.domain.derived import mac_key, parse_derived, verifies
from authproxy.domain.grants import Action
from authproxy.domain.keys import parse
from authproxy.domain.names import ProjectName
from authproxy.domain.versions import version_pattern
from tests.peers.derived import caveats_of

NOW = 1_790_000_000
NONCE = bytes(range(16))
SHA = "ab" * 32
EVERYTHING = Narrowing(
    300,
    packages=frozenset({ProjectName("acme-core")}),
    versions=frozenset({version_pattern("1.*")}),
    sha256=frozenset({SHA}),
    networks=frozenset({ip_network("10.0.0.0/8")}),
    indexes=frozenset({"team/dev"}),
    actions=frozenset({Action.UPLOAD}),
    once=True,
)


def test_every_option_is_one_caveat(key: str) -> None:
    """What was asked for, all of it and nothing else; the digests stand before the nonce that counts by them."""
    found = caveats_of(signed(key, EVERYTHING, now=NOW, nonce=NONCE), key)
    assert found == (
        Lifetime(NOW + 300, NOW),
        Projects(frozenset({ProjectName("acme-core")})),
        Versions(frozenset({version_pattern("1.*")})),
        Digests(frozenset({SHA})),
        Networks(frozenset({ip_network("10.0.0.0/8")})),
        Once("AAECAwQFBgcICQoLDA0ODw"),
        Indexes(frozenset({"team/dev"})),
        Actions(frozenset({Action.UPLOAD})),
    )


def test_a_derived_key_is_derived_from_again(key: str) -> None:
    """What was taken away stays away, and the new caveats stand behind it."""
    once = signed(key, Narrowing(300), now=NOW, nonce=NONCE)
    twice = signed(once, Narrowing(None, actions=frozenset({Action.READ})), now=NOW, nonce=NONCE)
    assert caveats_of(twice, key) == (Lifetime(NOW + 300, NOW), Actions(frozenset({Action.READ})))


def test_a_key_of_another_prefix_keeps_it(key: str) -> None:
    """Nobody tells the uploader's machine what prefix the proxy has."""
    from authproxy.domain.keys import mint, name_key, name_secret

    other = mint("acme", name_secret(name_key(bytes(16)), "0"), bytes(32))
    made, parent = parse_derived(signed(other, Narrowing(1), now=NOW, nonce=NONCE), "acme"), parse(other, "acme")
    assert made is not None
    assert parent is not None
    assert verifies(made, mac_key(parent.secret), "acme")


@pytest.mark.parametrize(
    ("narrowing", "words"),
    [
        pytest.param(Narrowing(None), "at least one caveat", id="nothing is taken away"),
        pytest.param(Narrowing(None, once=True), "for a day at most", id="once, for ever"),
        pytest.param(Narrowing(DAY + 1, once=True), "for a day at most", id="once, for longer than is remembered"),
        pytest.param(
            Narrowing(60, sha256=frozenset(f"{n:064x}" for n in range(101))), "101 files are too many", id="101 files"
        ),
        pytest.param(
            Narrowing(60, sha256=frozenset(f"{n:064x}" for n in range(98))), "fewer files", id="too long for a header"
        ),
    ],
)
def test_what_no_proxy_would_take_is_not_made(key: str, narrowing: Narrowing, words: str) -> None:
    """The refusal comes here, where something can be done about it, and shows nothing of the key."""
    with pytest.raises(ClientError, match=words) as refused:
        signed(key, narrowing, now=NOW, nonce=NONCE)
    assert key[15:] not in str(refused.value)
