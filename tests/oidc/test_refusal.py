"""The codes are words that clients know."""

from authproxy.oidc.refusal import TokenCode, TokenRefused


def test_the_codes_are_those_of_pypi() -> None:
    """Frozen: clients and their documentation name them."""
    assert sorted(TokenCode) == [
        "invalid-payload",
        "invalid-pending-publisher",
        "invalid-publisher",
        "invalid-reuse-token",
        "invalid-token",
        "not-enabled",
    ]


def test_a_refusal_says_its_sentence() -> None:
    """Wherever an exception is shown, the description is what it says."""
    refused = TokenRefused(TokenCode.TOKEN, "the token ended")
    assert (refused.code, refused.description, str(refused)) == ("invalid-token", "the token ended", "the token ended")
