"""Audience, times and the name of a token, at their limits."""

import pytest

from authproxy.oidc.claims import KEPT, LEEWAY, Claims, judged
from authproxy.oidc.compact import UnverifiedToken
from authproxy.oidc.issuers import Issuer
from authproxy.oidc.refusal import TokenRefused
from tests.oidc.conftest import AUDIENCE, NOW, URL

ISSUER = Issuer(URL)
GOOD = {"iss": URL, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 300}


def judge(claims: dict[str, object], *, issuer: Issuer = ISSUER, now: int = NOW, signed: bytes = b"h.p") -> Claims:
    return judged(UnverifiedToken({}, claims, signed, b""), issuer, AUDIENCE, now=now)


ALLOWED: dict[str, dict[str, object]] = {
    "expired, but within the leeway": {"iat": NOW - 300, "exp": NOW - LEEWAY + 1},
    "issued as far ahead as a clock may go": {"iat": NOW + LEEWAY, "exp": NOW + 300},
    "not before as far ahead": {"nbf": NOW + LEEWAY},
    "good for an hour": {"exp": NOW + 3600},
    "good for a second": {"exp": NOW + 1},
    "good from long before it was issued": {"nbf": NOW - 600},
    "good since 1970": {"nbf": 0},
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=ALLOWED.keys())
def test_the_limit_itself_is_allowed(change: dict[str, object]) -> None:
    """One second further and each of them is refused (test_hostile)."""
    assert judge({**GOOD, **change}).values == {**GOOD, **change}


def test_both_clocks_are_named() -> None:
    """Whoever has to mend a clock needs to see which."""
    with pytest.raises(TokenRefused) as caught:
        judge(GOOD, now=NOW + 3600)
    assert "ended at 2027-01-15 08:05:00Z and the clock here says 2027-01-15 09:00:00Z" in caught.value.description
    with pytest.raises(TokenRefused) as caught:
        judge(GOOD, now=NOW - 3600)
    assert "begins at 2027-01-15 08:00:00Z and the clock here says 2027-01-15 07:00:00Z" in caught.value.description


def test_a_name_is_kept_for_longer_than_its_token_is_good() -> None:
    """From one constant: a token is refused from `exp` + 30 s on, and its name goes 5 minutes later."""
    found = judge(GOOD)
    assert (found.expires, found.kept_until) == (NOW + 300, NOW + 300 + KEPT)
    last = NOW + 300 + LEEWAY - 1
    judge(GOOD, now=last)
    assert found.kept_until > last + 1


def test_a_token_is_called_by_its_jti_and_its_issuer() -> None:
    """Two issuers may use one jti, and what else a token says is no part of its name."""
    elsewhere = Issuer("https://other.example.com")
    name = judge({**GOOD, "jti": "one"}).assertion_id
    assert judge({**GOOD, "jti": "one", "exp": NOW + 200}, signed=b"x.y").assertion_id == name
    others = [
        judge({**GOOD, "jti": "two"}),
        judge({**GOOD, "iss": elsewhere.url, "jti": "one"}, issuer=elsewhere),
        judge(GOOD),
    ]
    assert len({name, *(other.assertion_id for other in others)}) == 4
    assert all(len(other.assertion_id) == 64 and other.assertion_id.isalnum() for other in others)


def test_a_token_without_jti_is_called_by_what_was_signed() -> None:
    """Not by its signature, which may have a second form; and no jti can be chosen to be that name."""
    assert judge(GOOD).assertion_id == judge(GOOD).assertion_id
    assert judge(GOOD).assertion_id != judge(GOOD, signed=b"h.q").assertion_id
    assert judge(GOOD).assertion_id != judge({**GOOD, "jti": "h.p"}).assertion_id


def test_an_issuer_may_have_an_audience_of_its_own() -> None:
    """Azure DevOps writes one that no job can choose; then the installation's is not accepted from it."""
    azure = Issuer(URL, audience="api://AzureADTokenExchange")
    judge({**GOOD, "aud": "api://AzureADTokenExchange"}, issuer=azure)
    with pytest.raises(TokenRefused, match="api://AzureADTokenExchange"):
        judge(GOOD, issuer=azure)
    with pytest.raises(TokenRefused, match=AUDIENCE):
        judge({**GOOD, "aud": "api://AzureADTokenExchange"})


def test_an_issuer_may_write_a_list_of_one() -> None:
    """Kubernetes does, always; two are refused of it as of any other, and so is what is no list."""
    kubernetes = Issuer(URL, audience_in_list=True)
    judge({**GOOD, "aud": [AUDIENCE]}, issuer=kubernetes)
    for wrong in (AUDIENCE, [], [AUDIENCE, "other"], [AUDIENCE, AUDIENCE], [[AUDIENCE]], {AUDIENCE: 1}):
        with pytest.raises(TokenRefused, match="alone"):
            judge({**GOOD, "aud": wrong}, issuer=kubernetes)
