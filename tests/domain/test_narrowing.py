"""What caveats mean: every refusal, every reason for none, and that what follows a caveat cannot loosen it."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain import narrowing
from authproxy.domain.access import Access
from authproxy.domain.caveats import (
    LEEWAY,
    Actions,
    Caveat,
    Digests,
    Indexes,
    Lifetime,
    Networks,
    Once,
    Projects,
    Versions,
)
from authproxy.domain.grants import Action
from authproxy.domain.names import ProjectName
from authproxy.domain.narrowing import ONCE_LIFE, SIGNED_LIFE, Nonce, narrowed, nonces, signed, told
from authproxy.domain.refusal import Code
from authproxy.domain.rules import VersionPattern
from tests.domain.drawn import ACCESSES, ADDRESSES, CAVEATS, KEY_ID, NOW, SEVERAL_CAVEATS, upload

WHEEL = upload("acme_core-1.2-py3-none-any.whl", index="team/dev")
READ = Access(Action.READ, "team/dev", ProjectName("acme-core"))
LISTING = replace(READ, project=None)
DELETE = Access(Action.DELETE, "team/dev", ProjectName("acme-core"), version="1.2")
PUSH = Access(Action.PUSH, "team/prod", ProjectName("acme-core"), version="1.2", source="team/dev")
PUSHED = replace(PUSH, artifact=WHEEL.artifact, sha256="0" * 64)
EARLY = Access(Action.UPLOAD, "team/dev", None)
HERE = ip_address("10.1.1.1")


def of(made: Any, *items: object) -> Any:
    return made(frozenset(items))


CORE = of(Projects, ProjectName("acme-core"))
WEB = of(Projects, ProjectName("acme-web"))
FILE, OTHER = of(Digests, "0" * 64), of(Digests, "1" * 64, "2" * 64)
ONES, TWOS = of(Versions, VersionPattern("1.*")), of(Versions, VersionPattern("2.*"), VersionPattern(">=3"))
SHORT = Lifetime(NOW + 300, NOW)
ONCE = Once("A" * 22)
TEN = of(Networks, ip_network("10.0.0.0/8"))


def refused(access: Access, *caveats: Caveat, now: int = NOW, whole: bool = True, address: Any = HERE) -> str | None:
    denial = narrowed(caveats, access, address, now=now, whole=whole)
    assert denial is None or denial.code is Code.CAVEAT
    return denial and denial.reason


LET_THROUGH = {
    "an upload by its project": (WHEEL, CORE),
    "by one project of two": (WHEEL, of(Projects, ProjectName("a"), ProjectName("acme-core"))),
    "by its version": (WHEEL, ONES),
    "by its digest": (WHEEL, FILE),
    "from its network": (WHEEL, TEN),
    "into its index": (WHEEL, of(Indexes, "team/dev")),
    "as an upload": (WHEEL, of(Actions, Action.UPLOAD)),
    "once, before its end": (WHEEL, SHORT, ONCE),
    "all of them together": (WHEEL, SHORT, CORE, ONES, FILE, TEN, ONCE, of(Indexes, "team/dev"), of(Actions, Action.UPLOAD)),
    "a read of a project": (READ, SHORT, CORE, TEN, of(Actions, Action.READ)),
    "the list of all": (LISTING, SHORT),
    "a delete of a version": (DELETE, SHORT, CORE, ONES),
    "a push from one index into another": (PUSH, CORE, ONES, of(Indexes, "team/dev", "team/prod")),
    "a file of a push": (PUSHED, FILE, ONES),
    "nothing taken away": (WHEEL,),
}  # fmt: skip

NOT_LET_THROUGH = {
    "another project": (WHEEL, WEB, "may not upload 'acme-core': it is for acme-web"),
    "a read of another project": (READ, WEB, "may not read 'acme-core'"),
    "the list of all": (LISTING, CORE, "may not read the list of all projects: it is for acme-core"),
    "another version": (WHEEL, TWOS, "may not upload version '1.2': it is for versions 2.*, >=3"),
    "a delete of another version": (DELETE, TWOS, "may not delete version '1.2'"),
    "a read, which names no version": (READ, ONES, "is for versions 1.*: a read that names none is not"),
    "another file": (WHEEL, OTHER, f"is for 2 files, and 'acme_core-1.2-py3-none-any.whl' with the SHA-256 {'0' * 64} is none"),
    "a read, which names no digest": (READ, FILE, "is for uploads of 1 file, by their SHA-256, and not for this"),
    "a delete, which names no digest": (DELETE, FILE, "and not for this"),
    "a read with a digest all the same": (replace(READ, sha256="0" * 64), FILE, "and the file with the SHA-256"),
    "a pushed file without a digest": (replace(PUSHED, sha256=None), FILE, "and not for this"),
    "an address elsewhere": (WHEEL, of(Networks, ip_network("192.0.2.0/24")), "from 10.1.1.1: it is for 192.0.2.0/24"),
    "another index": (WHEEL, of(Indexes, "team/prod"), "may not upload in 'team/dev': it is for team/prod"),
    "a read of several indexes": (replace(READ, index="*"), of(Indexes, "team/dev"), "may not read in '*'"),
    "a push out of another index": (PUSH, of(Indexes, "team/prod"), "may not push in 'team/dev'"),
    "a push into another index": (PUSH, of(Indexes, "team/dev"), "may not push in 'team/prod'"),
    "another action": (READ, of(Actions, Action.UPLOAD, Action.DELETE), "may not read: it is for delete, upload"),
    "a read with a key for one upload": (READ, (SHORT, ONCE), "is good for one upload and not for a read"),
    "a delete with one": (DELETE, (SHORT, ONCE), "not for a delete"),
    "a push with one": (PUSH, (SHORT, ONCE), "not for a push"),
    "once, without an end": (WHEEL, ONCE, "names no end within a day before it says so"),
    "once, with an end behind it": (WHEEL, (ONCE, SHORT), "names no end within a day before"),
    "once, with an end in two days": (WHEEL, (Lifetime(NOW + 2 * ONCE_LIFE, NOW), ONCE, SHORT), "within a day"),
    "one caveat of two": (WHEEL, (CORE, WEB), "it is for acme-web"),
}  # fmt: skip


@pytest.mark.parametrize("case", LET_THROUGH.values(), ids=LET_THROUGH.keys())
def test_what_is_let_through(case: tuple[Any, ...]) -> None:
    """All caveats say yes."""
    access, *caveats = case
    assert refused(access, *caveats) is None


@pytest.mark.parametrize(("access", "caveats", "words"), NOT_LET_THROUGH.values(), ids=NOT_LET_THROUGH.keys())
def test_what_is_not(access: Access, caveats: Any, words: str) -> None:
    """The sentence says what was asked and what is allowed instead, in a length that twine shows."""
    reason = refused(access, *(caveats if isinstance(caveats, tuple) else (caveats,)))
    assert reason is not None
    assert words in reason
    assert len(reason) <= 400
    assert reason.isascii()


ENDED = "ended at 2026-11-22T12:00:05Z and the clock here says 2026-11-22T13:00:10Z: derive a new one; where that was just now, set the clock of the machine that made it"
BEGINS = "begins at 2026-11-22T11:55:05Z and the clock here says 2026-11-22T10:50:00Z: wait until then; where it was made just now, set the clock of the machine that made it"
END = 1795348805


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (END - 300 - LEEWAY, None),
        (END - 300, None),
        (END + LEEWAY - 1, None),
        (END + 3605, ENDED),
        (END - 300 - 3905, BEGINS),
    ],
    ids=["a clock behind by the leeway", "at the beginning", "the last second", "an hour late", "an hour early"],
)
def test_both_clocks_are_told(now: int, reason: str | None) -> None:
    """Clocks may differ by the leeway; beyond it a person reads both, and which machine to look at."""
    assert refused(WHEEL, Lifetime(END, END - 300), now=now) == reason


def test_the_first_second_too_late_and_too_early() -> None:
    """The bounds are exact: a nonce is kept to the very second in which its key has ended."""
    assert refused(WHEEL, SHORT, now=SHORT.expires + LEEWAY) is not None
    assert refused(WHEEL, SHORT, now=SHORT.not_before - LEEWAY - 1) is not None
    assert nonces(KEY_ID, (SHORT, ONCE), WHEEL)[0].until == SHORT.expires + LEEWAY


@pytest.mark.parametrize(
    ("access", "caveats"),
    [
        (EARLY, (CORE, ONES, FILE)),
        (EARLY, (SHORT, FILE, ONCE)),
        (replace(EARLY, project=ProjectName("acme-core")), (CORE, ONES, FILE)),
        (replace(LISTING, project=None), (CORE,)),
        (PUSH, (CORE, FILE)),
    ],
    ids=["before the body", "once, before the body", "a project without a file", "a list of items", "a push, before its files"],
)  # fmt: skip
def test_what_may_still_be_named_is_passed_over(access: Access, caveats: tuple[Caveat, ...]) -> None:
    """Before the body has come, and only then."""
    assert refused(access, *caveats, whole=False) is None
    assert refused(access, *caveats, whole=True) is not None


def test_what_is_known_early_refuses_early() -> None:
    """Before the body: its end, its action, its index and the address are known."""
    for caveat in (
        Lifetime(NOW - 100, NOW - 200), of(Actions, Action.READ), of(Indexes, "team/prod"),
        of(Networks, ip_network("192.0.2.0/24")), ONCE,
    ):  # fmt: skip
        assert refused(EARLY, caveat, whole=False) is not None
    nameless = replace(DELETE, project=None, version=None)
    assert refused(nameless, CORE, ONES, whole=False) is None
    assert refused(nameless, FILE, whole=False) is not None, "no delete ever names a file"
    assert refused(LISTING, ONES, whole=False) is not None, "nor does a read name a version"


def test_an_address_may_be_left_open() -> None:
    """Only who asks as a person leaves it open; a request always has one."""
    assert refused(WHEEL, of(Networks, ip_network("192.0.2.0/24")), address=None) is None


@given(SEVERAL_CAVEATS, CAVEATS, ACCESSES, ADDRESSES, st.booleans())
def test_one_more_never_opens(
    caveats: tuple[Caveat, ...], more: Caveat, access: Access, address: Any, whole: bool
) -> None:
    """Law 1: what is refused stays refused whatever is added, by the same sentence."""
    before = narrowed(caveats, access, address, now=NOW, whole=whole)
    after = narrowed((*caveats, more), access, address, now=NOW, whole=whole)
    assert before is None or after == before


@given(SEVERAL_CAVEATS, CAVEATS, st.sampled_from([WHEEL, replace(WHEEL, sha256="1" * 64)]))
def test_one_more_never_gives_a_second_time(caveats: tuple[Caveat, ...], more: Caveat, access: Access) -> None:
    """Law 1, for `once`: a child claims at least what its parent claims, until the same moment."""
    child = (*caveats, more)
    if narrowed(child, access, HERE, now=NOW, whole=True) is None:
        assert set(nonces(KEY_ID, caveats, access)) <= set(nonces(KEY_ID, child, access))


def test_a_naive_meaning_is_caught() -> None:
    """Negative control: were an end or files taken from anywhere in the key, adding one would open what was shut."""

    def naive(caveats: tuple[Caveat, ...]) -> tuple[bool, bool]:
        return any(isinstance(it, Lifetime) for it in caveats), any(isinstance(it, Digests) for it in caveats)

    assert (naive((ONCE,)), naive((ONCE, SHORT, FILE))) == ((False, False), (True, True))
    assert refused(WHEEL, ONCE, SHORT, FILE) == refused(WHEEL, ONCE)
    assert nonces(KEY_ID, (SHORT, ONCE, FILE), WHEEL) == nonces(KEY_ID, (SHORT, ONCE), WHEEL)


def test_what_has_to_be_claimed() -> None:
    """A nonce of this key, by itself or for this file, until the end that stands before it."""
    until = SHORT.expires + LEEWAY
    long = Lifetime(NOW + 1000, NOW)
    assert nonces(KEY_ID, (SHORT, CORE), WHEEL) == ()
    assert nonces(KEY_ID, (long, SHORT, ONCE), WHEEL) == (Nonce(f"{KEY_ID}.{'A' * 22}", until),)
    assert nonces(KEY_ID, (long, SHORT, ONCE, FILE), WHEEL) == (Nonce(f"{KEY_ID}.{'A' * 22}", until),)
    assert nonces(KEY_ID, (SHORT, FILE, ONCE), WHEEL) == (Nonce(f"{KEY_ID}.{'A' * 22}.{'0' * 64}", until),)
    both = nonces(KEY_ID, (long, ONCE, FILE, SHORT, Once("B" * 22)), WHEEL)
    assert [each.until for each in both] == [long.expires + LEEWAY, until]


@pytest.mark.parametrize(
    ("caveats", "words"),
    [
        ((SHORT,), None),
        ((SHORT, CORE), None),
        ((Lifetime(NOW + SIGNED_LIFE + LEEWAY, NOW),), None),
        ((Lifetime(NOW + SIGNED_LIFE + LEEWAY + 1, NOW),), "more than 60 minutes from now"),
        ((Lifetime(NOW + 36_000, NOW), SHORT), "more than 60 minutes from now"),
        ((CORE, SHORT), "its first caveat is no lifetime"),
        ((), "its first caveat is no lifetime"),
    ],
    ids=["minutes", "minutes and a project", "an hour", "a second more", "ten hours, made short by anybody", "an end added by anybody", "nothing"],
)  # fmt: skip
def test_what_is_signed(caveats: tuple[Caveat, ...], words: str | None) -> None:
    """Short from the start: whoever captured a longer one could make it short."""
    why = signed(caveats, NOW)
    assert why == words or (why is not None and words is not None and words in why)


def test_every_caveat_has_a_meaning() -> None:
    """A caveat that could be written and not judged would be let through, or fail a request with a 500."""
    assert set(narrowing._ASKED) == set(narrowing._TOLD) == set(get_args(Caveat))


def test_what_is_left_is_told() -> None:
    """For a person who asks why: each caveat in a word or two."""
    every = (SHORT, CORE, ONES, OTHER, TEN, ONCE, of(Indexes, "team/dev"), of(Actions, Action.READ))
    said = "until 1970-01-12T13:51:40Z; projects acme-core; versions 1.*; 2 files; from 10.0.0.0/8; once; in team/dev; to read"
    assert told(every) == said
    assert told(()) == "everything that its key may do"
