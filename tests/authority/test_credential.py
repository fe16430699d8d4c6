"""The Authorization header: every form of CONTRACTS, and no key that reaches an index by a slip."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.authority.credential import (
    HEADER_LIMIT,
    Credential,
    credential_of,
    key_of_login,
    password_of,
    with_session,
)
from authproxy.domain.keys import PublicId, mint
from authproxy.domain.policy import DEAD_KEY
from authproxy.domain.refusal import Code, Refused

KEY = mint("apx", PublicId("AAAAAAAAAAAA0"), bytes(range(32)))
OTHER = mint("apx", PublicId("BBBBBBBBBBBB0"), bytes(range(32)))


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def basic(text):
    return f"Basic {b64(text)}"


def read(*values):
    """Return ("key", text), ("foreign", header), the denial of a refusal, or None."""
    try:
        found = credential_of(values, "apx")
    except Refused as refused:
        return refused.denial
    if found is None:
        return None
    assert (found.key_text is None) != (found.foreign is None)
    return ("key", found.key_text) if found.key_text is not None else ("foreign", found.foreign)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(basic(f"__token__:{KEY}"), id="Basic __token__:KEY"),
        pytest.param(basic(f"{KEY}:"), id="Basic KEY: with an empty password"),
        pytest.param(basic(f":{KEY}"), id="Basic :KEY with an empty user"),
        pytest.param(basic(f"alice:{KEY}"), id="a user name left over from before"),
        pytest.param(f"Bearer {KEY}", id="Bearer"),
        pytest.param(f"token {KEY}", id="token"),
        pytest.param(f"bEARER {KEY}", id="Bearer in any case"),
        pytest.param(f"TOKEN {KEY}", id="token in any case"),
        pytest.param(basic(f"__token__:{KEY}").replace("Basic", "bASIC"), id="Basic in any case"),
        pytest.param(f"Bearer  \t {KEY} \t", id="white space around a Bearer key"),
        pytest.param(basic(f"__token__:{KEY}\n"), id="a newline after the password, as CI secrets have it"),
        pytest.param(basic(f"__token__: \r\n\t{KEY} \r\n"), id="white space around the password"),
        pytest.param(basic(f"{KEY}\n:"), id="a newline after the user"),
        pytest.param(basic(f" __token__ :{KEY}"), id="white space around the user"),
        pytest.param(basic(f"__token__:{KEY}").rstrip("="), id="base64 without padding"),
    ],
)
def test_every_form_of_a_key_is_read(value):
    """Whatever form a client uses, the key comes out as it was minted."""
    assert read(value) == ("key", KEY)


@pytest.mark.parametrize(
    ("value", "key_text"),
    [
        pytest.param("__token__:pypi-AgEIcHlwaS5vcmc", "pypi-AgEIcHlwaS5vcmc", id="another registry's token"),
        pytest.param("__token__:secret", "secret", id="__token__ with a password"),
        pytest.param("apx_:", "apx_", id="the prefix alone"),
        pytest.param("alice:apx_short", "apx_short", id="a key cut short"),
        pytest.param("APX_SHORT:x", "APX_SHORT", id="a key in capitals"),
        pytest.param(f'alice:"{KEY}"', f'"{KEY}"', id="a key in quotes"),
        pytest.param(f"alice:'{KEY.upper()}'", f"'{KEY.upper()}'", id="a key in quotes and capitals"),
        pytest.param(f"alice:\ufeff{KEY}", f"\ufeff{KEY}", id="a key after a byte order mark"),
        pytest.param(f"alice:KEY={KEY}", f"KEY={KEY}", id="a key with its variable's name"),
        pytest.param(f"{KEY}:password", KEY, id="a key with a password"),
        pytest.param(f"alice:x:{KEY}", f"x:{KEY}", id="a key after a second colon"),
    ],
)
def test_a_broken_key_is_a_key(value, key_text):
    """What was meant as a key is judged as one, so it never reaches an index."""
    assert read(basic(value)) == ("key", key_text)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(basic("alice:password"), id="a user and a password"),
        pytest.param(basic("alice:"), id="a user without a password"),
        pytest.param(basic(":password"), id="a password without a user"),
        pytest.param(basic("alice:pa:ss"), id="a password with a colon"),
        pytest.param(basic("team-apx_ci:password"), id="a user that contains the prefix"),
        pytest.param(basic("älice:pässword"), id="a password in UTF-8"),
        pytest.param("Bearer eyJhbGciOiJSUzI1NiJ9.e30.x", id="another service's Bearer token"),
        pytest.param('Digest username="alice", realm="x"', id="Digest"),
        pytest.param("Negotiate YIIJvwYGKwYBBQUC", id="Negotiate"),
    ],
)
def test_what_is_not_ours_is_foreign_and_unchanged(value):
    """Reads may pass it on, so the header comes back as it came."""
    assert read(value) == ("foreign", value)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="an empty header"),
        pytest.param("Basic", id="a scheme alone"),
        pytest.param("Basic ", id="a scheme and a space"),
        pytest.param(KEY, id="a key without a scheme"),
        pytest.param(f"{KEY} x", id="a key where the scheme belongs"),
        pytest.param(f"ApiKey {KEY}", id="a key in a scheme of its own"),
        pytest.param("ApiKey apx_short", id="a short key in a scheme of its own"),
        pytest.param(f'Digest username="{KEY}", realm="x"', id="a key as a Digest user"),
        pytest.param(f"Bearer {b64(f'__token__:{KEY}')}", id="Basic's base64 after Bearer"),
        pytest.param(basic(KEY), id="Basic without a colon"),
        pytest.param(basic("alice"), id="Basic without a colon, foreign"),
        pytest.param(basic(f"{KEY}:{OTHER}"), id="two keys"),
        pytest.param(basic(":"), id="nothing at all"),
        pytest.param(basic("__token__:"), id="an unset CI variable"),
        pytest.param(basic("__token__: \n"), id="a CI variable of white space"),
        pytest.param(basic(b"alice:\xff"), id="no UTF-8"),
        pytest.param(basic("alice:password".encode("utf-16-le")), id="UTF-16"),
        pytest.param(basic("alice:pass\0word"), id="NUL in a password"),
        pytest.param(basic("ali\nce:password"), id="a newline inside a user"),
        pytest.param("Basic !!!!", id="no base64"),
        pytest.param("Basic YWxpY2U6cGFzcw==x", id="text after the padding"),
        pytest.param("Basic YWxpY2U6cGFz=cw==", id="padding inside"),
        pytest.param("Basic YWxpY2U6cGFzcw===", id="padding too long"),
        pytest.param("Basic YWxpY2U6cGFzcx==", id="bits behind the last byte"),
        pytest.param("Basic YWxp Y2U6cGFzcw==", id="white space inside"),
        pytest.param("Basic YWxpY2U6_w==", id="the URL alphabet"),
        pytest.param("Basic A", id="one digit of base64"),
        pytest.param("Digest a\x01b", id="a control character"),
        pytest.param("Digest \udcff", id="a byte that is no ASCII"),
        pytest.param("Digest é", id="Latin-1"),
    ],
)
def test_what_fits_no_form_gets_the_sentence_of_every_bad_key(value):
    """Malformed credentials are told apart neither from each other nor from a revoked key."""
    assert read(value) == DEAD_KEY


def test_no_header_is_no_credential():
    """Nobody presented anything: that is no failure."""
    assert read() is None


def test_two_headers_are_refused():
    """Two readers might pick different ones, so neither is read, though they agree."""
    denial = read(f"Bearer {KEY}", f"Bearer {KEY}")
    assert denial.code is Code.REQUEST_INVALID


@pytest.mark.parametrize(("over", "code"), [(0, None), (1, Code.REQUEST_INVALID)], ids=["at the limit", "one over"])
def test_a_header_has_8_kib_at_most(over, code):
    """The limit is exact."""
    found = read("Bearer " + "x" * (HEADER_LIMIT - len("Bearer ") + over))
    assert getattr(found, "code", None) is code


def test_another_prefix_makes_other_keys():
    """The prefix comes from the configuration; with another one, these keys are somebody else's."""
    assert credential_of([f"Bearer {KEY}"], "acme").foreign == f"Bearer {KEY}"
    assert credential_of(["Bearer acme_x"], "acme").key_text == "acme_x"


def test_a_credential_shows_nothing():
    """No credential shows in a log that prints one."""
    assert repr(credential_of([f"Bearer {KEY}"], "apx")) == repr(Credential()) == "Credential()"


AROUND = st.text(st.characters(codec="utf-8"), max_size=12)


def naive(user, password):
    """The mistake: only what starts like a key is one."""
    return any(half.startswith("apx_") for half in (user, password))


@given(
    before=AROUND, after=AROUND, user=AROUND, as_user=st.booleans(), scheme=st.sampled_from(["Basic", "x", "Bearer"])
)
def test_no_header_with_a_key_in_it_is_foreign(before, after, user, as_user, scheme):
    """Wherever a key stands in Basic's base64, with whatever around it, and behind whatever scheme."""
    halves = (before + KEY + after, user) if as_user else (user, before + KEY + after)
    found = read(f"{scheme} {b64(':'.join(halves))}")
    assert not isinstance(found, tuple) or found[0] == "key"


def test_the_naive_reader_is_caught():
    """A reader that looks at the start alone calls a quoted key foreign: that is what the property guards against."""
    assert not naive("alice", f'"{KEY}"')
    assert read(basic(f'alice:"{KEY}"'))[0] == "key"


@given(st.text(st.characters(codec="latin-1"), max_size=60))
def test_any_header_gets_an_answer(value):
    """No header raises anything but a refusal."""
    for text in (value, f"Basic {value}", f"Bearer {value}", basic(value)):
        read(text)


@pytest.mark.parametrize(
    ("value", "known"),
    [
        pytest.param(basic("alice:her own"), ("alice", "her own"), id="a user and a password"),
        pytest.param(basic("alice:a:b:c"), ("alice", "a:b:c"), id="colons are the password's"),
        pytest.param(basic("alice:"), ("alice", ""), id="an empty password is one"),
        pytest.param(basic("Alice Liddell:pw"), ("Alice Liddell", "pw"), id="a name of two words"),
        pytest.param(basic("alice:p\xe4ss"), ("alice", "p\xe4ss"), id="a password of other letters"),
        pytest.param(basic(":pw"), None, id="no name"),
        pytest.param(basic("\xe5lice:pw"), None, id="a name that two may decode differently"),
        pytest.param(basic("a" * 101 + ":pw"), None, id="a name that does not end"),
        pytest.param("Bearer abc", None, id="no user at all"),
    ],
)
def test_who_a_foreign_credential_is_of(value, known):
    """The user name and the password as the index will read them, or nobody."""
    credential = credential_of([value], "apx")
    assert credential.foreign == value
    assert password_of(credential) == known


def test_a_key_is_nobodys_password():
    """What holds a key is never taken apart for an index."""
    assert password_of(credential_of([basic(f"__token__:{KEY}")], "apx")) is None


def session(*values, shown=()):
    """Read devpi-client's header beside these values of Authorization: as `read`."""
    try:
        found = with_session(credential_of(shown, "apx"), values, "apx", header="X-Devpi-Auth")
    except Refused as refused:
        return refused.denial.code
    return found and (found.key_text or found.foreign)


SESSIONS = {
    "none": ([], [], None),
    "none beside a key": ([], [f"Bearer {KEY}"], KEY),
    "a key": ([b64(f"__token__:{KEY}")], [], KEY),
    "a key with another user": ([b64(f"alice:{KEY}")], [], KEY),
    "a broken key": ([b64("__token__:apx_x")], [], "apx_x"),
    "a session with the index": ([b64("alice:session")], [], None),
    "no base64": (["x y"], [], Code.CREDENTIAL_INVALID),
    "nothing": ([""], [], Code.CREDENTIAL_INVALID),
    "a scheme": ([basic(f"__token__:{KEY}")], [], Code.CREDENTIAL_INVALID),
    "two": ([b64(f"__token__:{KEY}")] * 2, [], Code.REQUEST_INVALID),
    "too long": (["A" * HEADER_LIMIT], [], Code.REQUEST_INVALID),
    "the same key beside it": ([b64(f"__token__:{KEY}")], [f"Bearer {KEY}"], KEY),
    "the same password beside it": ([b64("alice:pw")], [basic("alice:pw")], basic("alice:pw")),
    "another key beside it": ([b64(f"__token__:{KEY}")], [f"Bearer {OTHER}"], Code.REQUEST_INVALID),
    "a password beside a key": ([b64(f"__token__:{KEY}")], [basic("alice:pw")], Code.REQUEST_INVALID),
    "a key beside a session": ([b64("alice:session")], [f"Bearer {KEY}"], Code.REQUEST_INVALID),
    "a password beside a session": ([b64("alice:session")], [basic("alice:pw")], Code.REQUEST_INVALID),
    "a key beside what cannot be read": (["x y"], [f"Bearer {KEY}"], Code.REQUEST_INVALID),
}


@pytest.mark.parametrize(("values", "shown", "found"), SESSIONS.values(), ids=SESSIONS.keys())
def test_devpi_clients_own_header(values, shown, found):
    """A key in it is heard, a session with the index is nothing to anybody, and two credentials are refused."""
    assert session(*values, shown=shown) == found


@given(AROUND, AROUND, st.booleans())
def test_a_login_is_read_as_its_header_will_be(user, password, with_key):
    """Whatever logs in is what the client then sends: no pair is one key here and another, or none, there."""
    password = password + KEY if with_key else password
    header = basic(f"{user}:{password}")
    try:
        key_text = key_of_login(user, password, "apx")
        found = ("foreign", header) if key_text is None else ("key", key_text)
    except Refused as refused:
        found = refused.denial
    assert found == read(header)
