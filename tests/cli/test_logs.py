"""The log: one JSON object a line, and no secret in it whatever was logged by whom."""

import base64
import io
import json
import logging
import time
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.cli.logs import JsonLines, redact, to_stderr
from authproxy.domain.caveats import Versions
from authproxy.domain.derived import derive
from authproxy.domain.keys import SECRET_ENTROPY, PublicId, mint
from authproxy.domain.rules import VersionPattern

PUBLIC_ID = PublicId("Ab0123456789x")
KEY = mint("apx", PUBLIC_ID, bytes(range(SECRET_ENTROPY)))
DERIVED = derive(KEY, [Versions(frozenset({VersionPattern(">=2")}))], "apx")
SECRET = KEY.rpartition("_")[2]
BASIC = base64.b64encode(f"__token__:{KEY}".encode()).decode()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """A stream that receives the log, and the logging of the test run put back afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    for handler in before:  # force=True would close them
        root.removeHandler(handler)
    stream = io.StringIO()
    logging.captureWarnings(capture=False)  # who left it on has it on another stream, where pytest's own stands since
    to_stderr("debug", stream=stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:] = before
    root.setLevel(level)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param(f"got {KEY} here", f"got apx_{PUBLIC_ID}_[redacted] here", id="a key keeps its public id"),
        pytest.param(f"https://h/?k={KEY}&x", f"https://h/?k=apx_{PUBLIC_ID}_[redacted]&x", id="a key in a URL"),
        pytest.param(KEY[:-20], f"apx_{PUBLIC_ID}_[redacted]", id="a key cut short"),
        pytest.param(KEY + "zzz", f"apx_{PUBLIC_ID}_[redacted]", id="a key with something stuck to it"),
        pytest.param(f"acme2_{PUBLIC_ID}_{SECRET}", f"acme2_{PUBLIC_ID}_[redacted]", id="a key of another prefix"),
        pytest.param(f"got {DERIVED}, it says", f"got apx_{PUBLIC_ID}.[redacted], it says", id="a derived key"),
        pytest.param(DERIVED[:-20], f"apx_{PUBLIC_ID}.[redacted]", id="a derived key cut short"),
        pytest.param(
            DERIVED.rpartition(".")[0],
            f"apx_{PUBLIC_ID}.[redacted]",
            id="what a derived key allows, cut before its tag",
        ),
        pytest.param(f"derived key {PUBLIC_ID}.{'n' * 16}", f"derived key {PUBLIC_ID}.{'n' * 16}", id="its name stays"),
        pytest.param(f"Authorization: Basic {BASIC}", "Authorization: [redacted]", id="a header as it is sent"),
        pytest.param(f"'/{BASIC}' is no path", "'/[redacted]' is no path", id="its value in an address"),
        pytest.param("authorization: token abc\r\nHost: h", "authorization: [redacted]\r\nHost: h", id="a head"),
        pytest.param(
            f"{{'Authorization': 'Basic {BASIC}', 'a': 'b'}}",
            "{'Authorization': '[redacted]', 'a': 'b'}",
            id="headers as a dict",
        ),
        pytest.param(
            "(b'Authorization', b'Basic eA=='), (b'a', b'b')",
            "(b'Authorization', b'[redacted]'), (b'a', b'b')",
            id="headers as bytes",
        ),
        pytest.param("Cookie: session=1", "Cookie: [redacted]", id="a cookie"),
        pytest.param("X-Devpi-Auth: eDp5", "X-Devpi-Auth: [redacted]", id="devpi's own header"),
        pytest.param(f"sent Basic {BASIC}!", "sent Basic [redacted]!", id="credentials without their header"),
        pytest.param(f"bearer {KEY}", "bearer [redacted]", id="a bearer token"),
        pytest.param("http://svc:hunter2@index:8081/", "http://svc:[redacted]@index:8081/", id="a password in a URL"),
        pytest.param("http://:pw@index/", "http://:[redacted]@index/", id="a password without a user"),
    ],
)
def test_redact(text: str, shown: str) -> None:
    """Secrets go, whatever surrounds them; what identifies a key and what is beside it stays."""
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"key {PUBLIC_ID} may not upload 'victim': it may upload:acme-*",
        'WWW-Authenticate: Basic realm="pypi"',
        "GET /packages/acme_core-1.0-py3-none-any.whl HTTP/1.1",
        "http://127.0.0.1:8080/simple/acme-core/",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "acme_core_internal_averylongmodulename",
    ],
)
def test_redact_leaves_the_rest(text: str) -> None:
    """A log that hides what it is about helps nobody: ids, digests, paths and names stay."""
    assert redact(text) == text


@given(
    st.binary(min_size=SECRET_ENTROPY, max_size=SECRET_ENTROPY),
    st.from_regex(r"[a-z][a-z0-9]{1,9}", fullmatch=True).filter(lambda prefix: prefix != "pypi"),
    st.text(max_size=20),
    st.text(max_size=20),
)
def test_no_key_survives(entropy: bytes, prefix: str, before: str, after: str) -> None:
    """Whatever surrounds a key, its secret does not come through."""
    key = mint(prefix, PUBLIC_ID, entropy)
    assert key.rpartition("_")[2] not in redact(before + key + after)


def test_every_part_of_a_record_is_redacted(log: io.StringIO) -> None:
    """Message, arguments, extras of any shape, a nested exception and a warning: none carries the secret out."""
    logger = logging.getLogger("aiohttp.server")
    logger.info("head %r", {"Authorization": f"Basic {BASIC}"})
    logger.info("raw %s", KEY, extra={"headers": {"x": [KEY.encode()]}, "authorization": "eA==", "address": "::1"})
    try:
        try:
            raise ValueError(KEY)
        except ValueError as error:
            raise RuntimeError(f"Authorization: Basic {BASIC}") from error
    except RuntimeError:
        logger.exception("failed")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"seen {KEY}", stacklevel=1)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["message"].split()[0] for line in lines[:3]] == ["head", "raw", "failed"]
    assert lines[1]["address"] == "::1"
    assert "RuntimeError" in lines[2]["exception"]
    assert "UserWarning: seen" in lines[3]["message"]
    assert SECRET not in log.getvalue()
    assert BASIC not in log.getvalue()
    assert PUBLIC_ID in log.getvalue()


def test_a_formatter_without_redaction_is_caught() -> None:
    """Negative control: the same search finds the secret in what logging writes by itself."""
    record = logging.makeLogRecord({"msg": "raw %s", "args": (KEY,)})
    assert SECRET in logging.Formatter().format(record)
    assert SECRET not in JsonLines().format(record)


@given(st.text())
def test_a_record_is_one_line_of_printable_ascii(text: str) -> None:
    """No message can begin a new line or carry a terminal sequence into the log."""
    line = JsonLines().format(logging.makeLogRecord({"msg": "%s", "args": (text,), "path": text}))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == json.loads(line)["path"]


def test_the_text_of_a_record_is_bounded() -> None:
    """A client cannot fill the disk with one header: long text is cut, and its length is told."""
    line = json.loads(JsonLines().format(logging.makeLogRecord({"msg": "a" * 1_000_000})))
    assert len(line["message"]) < 10_000
    assert "1000000 characters" in line["message"]


def test_redaction_is_linear() -> None:
    """Text made to be slow (many beginnings, no end) is read in no more than linear time."""
    for piece in ("://a:", "apx_" + PUBLIC_ID + "_", "Authorization" + " " * 50, "basic ", "a:"):
        small, large = piece * 2_000, piece * 20_000
        assert _cost(large) < 60 * _cost(small) + 0.5


def _cost(text: str) -> float:
    began = time.process_time()
    redact(text)
    return time.process_time() - began
