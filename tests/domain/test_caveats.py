"""How a caveat is written: one spelling each, and what is not in the table is not understood."""

import json
from base64 import urlsafe_b64decode
from ipaddress import ip_network
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.caveats import (
    ITEMS_LIMIT,
    LATEST,
    SHORT_LIMIT,
    Actions,
    Caveat,
    Digests,
    Indexes,
    Lifetime,
    Networks,
    Once,
    Projects,
    Versions,
    base64url,
    bytes_of,
    read_caveat,
    read_derivation,
    shortened,
    tag_of,
    write_caveat,
    write_derivation,
)
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName
from authproxy.domain.rules import VersionPattern
from tests.domain.drawn import CAVEATS, SEVERAL_CAVEATS

VECTORS = [
    line
    for line in (Path(__file__).parent.parent / "vectors" / "caveats.txt").read_text(encoding="ascii").splitlines()
    if not line.startswith("#")
]
NONCE = base64url(bytes(range(16)))
SHA256 = base64url(bytes(range(32)))


def of(made: Any, *items: object) -> Any:
    return made(frozenset(items))


@pytest.mark.parametrize("line", VECTORS)
def test_published_caveats_keep_their_spelling(line: str) -> None:
    """Frozen examples are read, and written again to the byte."""
    caveat = read_caveat(line.encode("ascii"))
    assert caveat is not None
    assert write_caveat(caveat) == line.encode("ascii")


MEANT = {
    b"[0,1790000000,1789999700]": Lifetime(expires=1790000000, not_before=1789999700),
    b'[1,["a","acme-core"]]': of(Projects, ProjectName("acme-core"), ProjectName("a")),
    b'[100,["1.*",">=2.0"]]': of(Versions, VersionPattern(">=2.0"), VersionPattern("1.*")),
    f'[101,["{SHA256}"]]'.encode(): of(Digests, bytes(range(32)).hex()),
    b'[102,["10.0.0.0/8","2001:db8::/32"]]': of(Networks, ip_network("2001:db8::/32"), ip_network("10.0.0.0/8")),
    f'[103,"{NONCE}"]'.encode(): Once(NONCE),
    b'[104,["team/dev"]]': of(Indexes, "team/dev"),
    b'[105,["read","upload"]]': of(Actions, Action.UPLOAD, Action.READ),
}


@pytest.mark.parametrize(("raw", "caveat"), MEANT.items(), ids=[raw.decode() for raw in MEANT])
def test_each_caveat_is_written_so(raw: bytes, caveat: Caveat) -> None:
    """The table of the format, with its tags and what stands behind them."""
    assert write_caveat(caveat) == raw
    assert read_caveat(raw) == caveat
    assert tag_of(caveat) == json.loads(raw)[0]


def test_no_tag_is_given_twice_and_none_is_missing() -> None:
    """Every caveat has a tag of its own; PyPI's are below 100 and ours are not."""
    assert {type(each) for each in MEANT.values()} == set(get_args(Caveat))
    assert sorted(map(tag_of, MEANT.values())) == [0, 1, 100, 101, 102, 103, 104, 105]


@given(CAVEATS)
def test_what_is_written_is_read(caveat: Caveat) -> None:
    """Round trip, and no second spelling of it is read: not with the lists turned round, nor with white space."""
    raw = write_caveat(caveat)
    assert read_caveat(raw) == caveat
    tag, *fields = json.loads(raw)
    assert read_caveat(json.dumps([tag, *fields]).encode()) is None
    if isinstance(fields[0], list) and len(fields[0]) > 1:
        turned = json.dumps([tag, fields[0][::-1]], separators=(",", ":")).encode()
        assert turned != raw
        assert read_caveat(turned) is None


@given(st.binary(max_size=60) | st.text('[]",:{}\\ 0123456789aeunl.-/', max_size=40).map(str.encode))
def test_whatever_is_read_is_what_is_written(raw: bytes) -> None:
    """Reading never raises, and what it takes it writes in the same bytes."""
    caveat = read_caveat(raw)
    assert caveat is None or write_caveat(caveat) == raw


def lenient(raw: bytes) -> bool:
    """The negative control: a reader that takes JSON as it comes, and looks at the tag."""
    try:
        read = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return isinstance(read, list) and bool(read) and read[0] in {0, 1, 100, 101, 102, 103, 104, 105}


# Those behind the line are JSON with a tag that is known, so a reader that is not strict takes them.
NOT_UNDERSTOOD = {
    "nothing": b"",
    "a number": b"0",
    "an object": b'{"0":1}',
    "an empty array": b"[]",
    "a tag that nobody gave": b'[2,["acme-core"]]',
    "a tag of ours that nobody gave": b'[106,["acme-core"]]',
    "a tag as a text": b'["1",["acme-core"]]',
    "a huge tag": b"[" + b"9" * 5000 + b",1,0]",
    "a deep array": b"[" * 3000 + b"]" * 3000,
    "two arrays": b"[0,2,1][0,2,1]",
    "cut short": b"[0,1790000000,17899997",
    "not ASCII": '[1,["\u212aore"]]'.encode(),
    "no UTF-8": b'[1,["\xff"]]',
}
SPELLED_OTHERWISE = {
    "white space": b"[0, 2, 1]",
    "a newline behind": b"[0,2,1]\n",
    "a float": b"[0,2.0,1]",
    "an exponent": b"[0,2e0,1]",
    "a leading zero's friend": b"[0,2,-0]",
    "before the beginning of time": b"[0,2,-1]",
    "an end beyond all calendars": b"[0,253402300800,0]",
    "an end of 5,000 digits": b"[0," + b"9" * 4000 + b",0]",
    "not a number": b"[0,NaN,0]",
    "no end at all": b"[0,Infinity,0]",
    "true": b"[0,true,false]",
    "null": b"[0,null,0]",
    "an end before the beginning": b"[0,1,2]",
    "an end at the beginning": b"[0,2,2]",
    "one time": b"[0,2]",
    "three times": b"[0,3,2,1]",
    "times as texts": b'[0,"2","1"]',
    "a tag as a float": b'[1.0,["a"]]',
    "an empty list": b"[1,[]]",
    "no list": b'[1,"acme-core"]',
    "two lists": b'[1,["a"],["b"]]',
    "a list in a list": b'[1,[["a"]]]',
    "a number in a list": b'[1,["a",1]]',
    "an object in a list": b'[1,[{"a":"b","a":"c"}]]',
    "a name twice": b'[1,["a","a"]]',
    "names out of order": b'[1,["b","a"]]',
    "a name that is not normal": b'[1,["Acme.Core"]]',
    "a pattern for a name": b'[1,["acme-*"]]',
    "an empty name": b'[1,[""]]',
    "an escape": b'[1,["acme\\u002dcore"]]',
    "a lone surrogate": b'[1,["\\ud800"]]',
    "an escaped quote": b'[1,["a\\"b"]]',
    "a version that is not canonical": b'[100,["1.0-rc1"]]',
    "a specifier that is not canonical": b'[100,["<3, >=2"]]',
    "no version": b'[100,["whatever"]]',
    "a digest in hex": b'[101,["' + b"0" * 64 + b'"]]',
    "a digest of 31 bytes": f'[101,["{base64url(bytes(31))}"]]'.encode(),
    "a digest with padding": f'[101,["{SHA256}="]]'.encode(),
    "a digest in the other alphabet": b'[101,["' + b"+" * 43 + b'"]]',
    "a digest with bits behind its end": f'[101,["{SHA256[:-1]}9"]]'.encode(),
    "a network with host bits": b'[102,["10.0.0.1/8"]]',
    "an address for a network": b'[102,["10.0.0.1"]]',
    "a network by its mask": b'[102,["10.0.0.0/255.0.0.0"]]',
    "a network that is not compressed": b'[102,["2001:0db8::/32"]]',
    "a nonce in a list": f'[103,["{NONCE}"]]'.encode(),
    "two nonces": f'[103,"{NONCE}","{NONCE}"]'.encode(),
    "a nonce of 15 bytes": f'[103,"{base64url(bytes(15))}"]'.encode(),
    "no nonce": b"[103]",
    "every index": b'[104,["*"]]',
    "an index of two names": b'[104,["team/dev,team/prod"]]',
    "an action that nobody knows": b'[105,["admin"]]',
    "an action in capitals": b'[105,["READ"]]',
}  # fmt: skip


@pytest.mark.parametrize(
    "raw", [*NOT_UNDERSTOOD.values(), *SPELLED_OTHERWISE.values()], ids=[*NOT_UNDERSTOOD, *SPELLED_OTHERWISE]
)
def test_everything_else_is_not_understood(raw: bytes) -> None:
    """Unknown or malformed: no, and no exception."""
    assert read_caveat(raw) is None


def test_a_lenient_reader_is_caught() -> None:
    """Negative control: most of the spellings above are JSON with a known tag, which is all that many readers ask."""
    taken = [name for name, raw in SPELLED_OTHERWISE.items() if lenient(raw)]
    assert len(taken) > 40


UNWRITABLE = {
    "nothing in a list": of(Projects),
    "too much in a list": of(Projects, *(ProjectName(f"a{number}") for number in range(ITEMS_LIMIT + 1))),
    "a name that is not normal": of(Projects, ProjectName("Acme.Core")),
    "an end before the beginning": Lifetime(1, 2),
    "a negative time": Lifetime(1, -2),
    "an end beyond all calendars": Lifetime(LATEST + 1, 0),
    "a digest that is none": of(Digests, "xyz"),
    "a digest in capitals": of(Digests, "AB" * 32),
    "a nonce that is none": Once("nonce"),
    "every index": of(Indexes, "*"),
    "a specifier with a quote": of(Versions, VersionPattern('==="')),
    "a text that is not ASCII": of(Versions, VersionPattern("===\u212a")),
}


@pytest.mark.parametrize("caveat", UNWRITABLE.values(), ids=UNWRITABLE.keys())
def test_what_would_not_be_read_is_not_written(caveat: Caveat) -> None:
    """A mistake shows on the machine that derives, and not as a key that is refused everywhere."""
    with pytest.raises(ValueError, match=r"a caveat holds 1 to 100 names|hexadecimal"):
        write_caveat(caveat)


def test_a_full_list_is_written() -> None:
    """The limit is the last that is taken."""
    full = of(Projects, *(ProjectName(f"a{number}") for number in range(ITEMS_LIMIT)))
    assert read_caveat(write_caveat(full)) == full


@given(st.binary(max_size=40), st.text(max_size=20))
def test_bytes_have_one_spelling(raw: bytes, text: str) -> None:
    """base64url as RFC 4648 has it, less the padding; decoders that skip what they do not know take many spellings."""
    written = base64url(raw)
    assert bytes_of(written) == raw
    assert urlsafe_b64decode(written + "=" * (-len(written) % 4)) == raw
    read = bytes_of(text)
    assert read is None or base64url(read) == text
    for other in (written + "=", written + "\n", f" {written}", written[:1] + "." + written[1:]):
        assert bytes_of(other) is None


@given(SEVERAL_CAVEATS)
def test_the_record_gets_them_back(caveats: tuple[Caveat, ...]) -> None:
    """What a derived key allowed can be asked again years later."""
    text = write_derivation("p0HcUu3kZ1WbqYtr", caveats)
    assert read_derivation(text) == ("p0HcUu3kZ1WbqYtr", caveats)
    assert json.loads(text)["caveats"] == [json.loads(write_caveat(each)) for each in caveats]


def test_the_record_of_a_refusal_is_short() -> None:
    """The longest go first, the end is kept; what is cut is not read back as if it were whole."""
    life, project = Lifetime(2, 1), of(Projects, ProjectName("acme-core"))
    files = [of(Digests, *(f"{n:064x}" for n in range(start, start + 30))) for start in (0, 100)]
    text = write_derivation("p0HcUu3kZ1WbqYtr", (life, files[0], project, files[1]))
    short = shortened(text)
    assert len(text) > 2 * SHORT_LIMIT
    assert short == '{"name":"p0HcUu3kZ1WbqYtr","caveats":[[0,2,1],[1,["acme-core"]]],"left_out":2}'
    assert read_derivation(short) is None
    small = write_derivation("p0HcUu3kZ1WbqYtr", (life, project))
    assert shortened(small) == small


def test_a_caveat_of_a_later_version_leaves_the_rest_unread() -> None:
    """A row that says more than we understand says nothing: half of the caveats would allow more than all."""
    assert read_derivation('{"name":"x","caveats":[[0,2,1],[200,"new"]]}') is None
