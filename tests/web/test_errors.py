"""A refusal reads the same in every place where a client looks for it."""

import json
from http import HTTPStatus

import pytest
from aiohttp.test_utils import make_mocked_request

from authproxy.domain.refusal import Code, Denial
from authproxy.web.errors import REASON_LIMIT, STATUS, respond

SENTENCE = "key Ab0 may not upload 'victim': it may upload:acme-*"


def test_every_code_has_a_status() -> None:
    """A code without a line in the table would be a 500 at the worst moment."""
    assert set(STATUS) == set(Code)


POLICY = (
    Code.NOT_ALLOWED,
    Code.NO_RULE,
    Code.NETWORK,
    Code.CREATE,
    Code.FILETYPE,
    Code.VERSION,
    Code.USES_SPENT,
    Code.RATE,
)


@pytest.mark.parametrize("code", POLICY)
def test_policy_is_never_404_409_or_5xx(code: Code) -> None:
    """uv takes a public package after 404, twine takes 409 for success, and 5xx makes twine send five times more."""
    assert STATUS[code] not in (404, 409)
    assert STATUS[code] < 500


@pytest.mark.parametrize("code", Code)
def test_the_sentence_stands_in_reason_and_body(code: Code) -> None:
    """twine and pip show the reason phrase, uv the body."""
    response = respond(Denial(code, SENTENCE), make_mocked_request("POST", "/"))
    assert response.reason == SENTENCE
    assert response.body == f"{SENTENCE}\n".encode()
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_json_for_those_who_ask_for_it() -> None:
    """uv compares the content type whole and shows `code`."""
    request = make_mocked_request("POST", "/", headers={"Accept": "application/json;q=0.9, text/plain;q=0.8"})
    response = respond(Denial(Code.NOT_ALLOWED, SENTENCE), request)
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.body) == {  # type: ignore[arg-type]
        "message": SENTENCE,
        "code": f"403 {SENTENCE}",
        "title": HTTPStatus.FORBIDDEN.phrase,
    }


@pytest.mark.parametrize("code", Code)
def test_only_401_challenges(code: Code) -> None:
    """pip asks its keyring after a challenge, and only then it should."""
    response = respond(Denial(code, SENTENCE), make_mocked_request("GET", "/"))
    assert ("WWW-Authenticate" in response.headers) == (STATUS[code] == 401)


@pytest.mark.parametrize(("seconds", "shown"), [(None, None), (0, "1"), (7, "7")])
def test_retry_after(seconds: int | None, shown: str | None) -> None:
    """Whoever should come back is told when, at the earliest in a second."""
    response = respond(Denial(Code.THROTTLED, "slow down", seconds), make_mocked_request("GET", "/"))
    assert response.headers.get("Retry-After") == shown


def test_a_refusal_depends_on_who_asks() -> None:
    """By the one header of all indexes, or by those of this one."""
    denial, request = Denial(Code.NOT_ALLOWED, SENTENCE), make_mocked_request("GET", "/")
    assert respond(denial, request).headers["Vary"] == "Authorization"
    assert (
        respond(denial, request, varies="Authorization, X-Devpi-Auth").headers["Vary"] == "Authorization, X-Devpi-Auth"
    )


def test_a_reason_phrase_is_one_line_of_printable_ascii() -> None:
    """Even a sentence that went wrong cannot split the response or reach a terminal raw."""
    response = respond(
        Denial(Code.INTERNAL, "a\r\nSet-Cookie: b\x1b\u202e" + "x" * 600), make_mocked_request("GET", "/")
    )
    assert response.reason is not None
    assert response.reason.isprintable()
    assert response.reason.isascii()
    assert len(response.reason) == REASON_LIMIT
