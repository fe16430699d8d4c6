"""Every answer of an index has one meaning."""

import pytest

from authproxy.backend.answer import (
    MISCONFIGURED,
    PASSWORD_WRONG,
    SAID_LIMIT,
    UploadAnswer,
    meaning,
    said_by,
    to_its_user,
)
from authproxy.domain.access import Outcome
from authproxy.domain.refusal import Code

BOTTLE = b"""<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">
<html><head><title>Error: 409 Conflict</title><style type="text/css">body {font-family: sans-serif;}</style></head>
<body><h1>Error: 409 Conflict</h1><p>Sorry, the requested URL <tt>x</tt> caused an error:</p>
<pre>Package &#039;foo-1.0.tar.gz&#039; already exists!
  You may start server with `--overwrite` option.</pre></body></html>"""

MEANINGS = {
    "an empty 200 after the whole body is success": (200, b"", True, Outcome.STORED, None),
    "a 201 is success as well": (201, b"", True, Outcome.STORED, None),
    "a 200 before the whole body is not": (200, b"", False, Outcome.UNKNOWN, Code.INDEX_UNREACHABLE),
    "401 tells of our credentials": (401, b"", True, Outcome.REFUSED, Code.MISCONFIGURED),
    "403 tells of our credentials": (403, b"", True, Outcome.REFUSED, Code.MISCONFIGURED),
    "409 says the file is there": (409, BOTTLE, True, Outcome.REFUSED, Code.FILE_EXISTS),
    "so does a 400 in pypiserver's words": (400, BOTTLE, True, Outcome.REFUSED, Code.FILE_EXISTS),
    "another 400 is the index's own no": (400, b"Bad filename: x", True, Outcome.REFUSED, Code.INDEX_REFUSED),
    "413 is too large": (413, b"", True, Outcome.REFUSED, Code.TOO_LARGE),
    "a redirect is a wrong address": (303, b"", True, Outcome.REFUSED, Code.MISCONFIGURED),
    "404 is a wrong address": (404, b"", True, Outcome.REFUSED, Code.MISCONFIGURED),
    "405 is a wrong address": (405, b"", True, Outcome.REFUSED, Code.MISCONFIGURED),
    "500 leaves the outcome open": (500, b"", True, Outcome.UNKNOWN, Code.INDEX_UNREACHABLE),
    "503 leaves the outcome open": (503, b"", True, Outcome.UNKNOWN, Code.INDEX_UNREACHABLE),
}


@pytest.mark.parametrize(("status", "body", "complete", "outcome", "code"), MEANINGS.values(), ids=MEANINGS.keys())
def test_what_an_answer_means(status: int, body: bytes, complete: bool, outcome: Outcome, code: Code | None) -> None:
    """The table of answers, row by row."""
    answer = meaning(status, body, complete=complete)
    assert (answer.outcome, answer.status, answer.denial and answer.denial.code) == (outcome, status, code)


def test_only_a_success_is_stored() -> None:
    """No status but 2xx ever counts as stored, and whatever is not stored has a sentence."""
    answers = [meaning(status, b"", complete=True) for status in range(100, 1000)]
    assert {answer.status for answer in answers if answer.outcome is Outcome.STORED} == set(range(200, 300))
    assert {answer.status for answer in answers if answer.denial is None} == set(range(200, 300))


def test_a_refused_service_login_names_the_settings() -> None:
    """The operator reads which two settings to mend."""
    assert meaning(403, b"", complete=True) == UploadAnswer(
        Outcome.REFUSED, 403, meaning(401, b"", complete=True).denial
    )
    assert MISCONFIGURED.startswith("proxy is misconfigured: ")


SAID = {
    "pypiserver's page is its <pre>": (
        BOTTLE,
        "Package 'foo-1.0.tar.gz' already exists! You may start server with `--overwrite` option.",
    ),
    "plain text is itself": (b"Bad filename: foo\n", "Bad filename: foo"),
    "a page without <pre> loses its head and tags": (b"<html><head><title>x</title></head><p>no</p></html>", "no"),
    "controls and other scripts are blanked": ("a\x1b[31mb\u202ec\r\nd".encode(), "a [31mb c d"),
    "devpi's JSON is its message": (b'{\n  "message": "no project \'nope\'"\n}\n', "no project 'nope'"),
    "JSON without one is itself": (b'{"type": 5}', '{"type": 5}'),
    "a message that is no text is none": (b'{"message": [1]}', '{"message": [1]}'),
    "what only begins like JSON is itself": (b"{not json", "{not json"),
    "too deep a nest is text": (b'{"a":' * 50_000, '{"a":' * (SAID_LIMIT // 5)),
    "nothing is nothing": (b"", ""),
}


@pytest.mark.parametrize(("body", "said"), SAID.values(), ids=SAID.keys())
def test_what_an_index_said_is_one_printable_line(body: bytes, said: str) -> None:
    """An index's answer reaches a reason phrase and a terminal: no controls, no markup."""
    assert said_by(body) == said


# As devpi answers an upload (measured): WebOb repeats the status before its title.
DEVPI = {
    "other bytes": (
        409,
        b"409 a-1.0.tar.gz already exists in non-volatile index\n\n",
        Code.FILE_EXISTS,
        "already exists",
    ),
    "no right": (403, b"403 no permission to submit\n\n", Code.MISCONFIGURED, "answered 403: no permission to submit"),
    "no index": (
        404,
        b"<html>\n <head>\n  <title>404 Not Found</title>\n </head>\n <body>\n  The stage a/b could not be found.<br/>\n </body>",
        Code.MISCONFIGURED,
        "answered 404: The stage a/b could not be found.",
    ),
    "a mirror": (
        404,
        b"404 cannot submit to mirror index\n",
        Code.MISCONFIGURED,
        "answered 404: cannot submit to mirror",
    ),
    "read only": (405, b"index is marked read only", Code.MISCONFIGURED, "answered 405: index is marked read only"),
    "a form that it does not like": (
        400,
        b"400 filename 'a-1.0.zip' does not contain version '2.0'\n",
        Code.INDEX_REFUSED,
        "the index answered 400: filename 'a-1.0.zip' does not contain version '2.0'",
    ),
}


@pytest.mark.parametrize(("status", "body", "code", "said"), DEVPI.values(), ids=DEVPI.keys())
def test_what_devpi_says_is_told(status: int, body: bytes, code: Code, said: str) -> None:
    """Its own sentence, once, behind ours."""
    denial = meaning(status, body, complete=True).denial
    assert denial is not None
    assert (denial.code, len(denial.reason) <= 400) == (code, True)
    assert said in denial.reason


def test_what_an_index_said_is_bounded() -> None:
    """A page of a megabyte does not become a reason phrase of a megabyte."""
    assert len(said_by(b"x" * 1_000_000)) == SAID_LIMIT


@pytest.mark.parametrize("status", [401, 403])
def test_a_no_to_a_users_password_is_the_users(status: int) -> None:
    """Sent with somebody's own password, it tells nothing of our credentials, and the same for each reason."""
    answer = to_its_user(meaning(status, b"details", complete=True))
    assert answer == UploadAnswer(Outcome.REFUSED, status, PASSWORD_WRONG)


@pytest.mark.parametrize("status", [200, 400, 404, 409, 500])
def test_other_answers_to_a_user_mean_what_they_mean(status: int) -> None:
    """The control: nothing else becomes a matter of passwords."""
    answer = meaning(status, b"", complete=True)
    assert to_its_user(answer) is answer
