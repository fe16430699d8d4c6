"""From bytes to lines: every file that is no text gets one sentence."""

import os
import threading
from pathlib import Path

import pytest

from authproxy.config.problem import ConfigProblems
from authproxy.config.text import FILE_LIMIT, read_text, text_of


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        pytest.param(b"a: \0", "x.yaml: the file is binary", id="a NUL byte"),
        pytest.param("a: é".encode("utf-16"), "x.yaml: the file is binary", id="UTF-16"),
        pytest.param(b"\x7fELF\x02\x01\x00", "x.yaml: the file is binary", id="a program"),
        pytest.param("ok: 1\nä: é".encode("latin-1"), "x.yaml:2:1: the byte 0xe4 is not UTF-8", id="Latin-1"),
        pytest.param("é: ".encode() + b"\xff", "x.yaml:1:4: the byte 0xff is not UTF-8", id="a byte behind characters"),
        pytest.param(
            b"\xef\xbb\xbfa:\xbb", "x.yaml:1:3: the byte 0xbb is not UTF-8", id="a byte behind a byte order mark"
        ),
        pytest.param(b"a: \xed\xa0\x80", "x.yaml:1:4: the byte 0xed is not UTF-8", id="half a surrogate pair"),
        pytest.param(b"a: 1\nbc: \x1b[31m", "x.yaml:2:5: the character U+001B", id="a terminal escape"),
        pytest.param("a: 1\u2028b: 2".encode(), "x.yaml:1:5: the character U+2028", id="a line end that editors hide"),
        pytest.param(b"a: 1\rb: 2", "x.yaml:1:5: the character U+000D", id="a carriage return alone"),
        pytest.param("a: \u0085".encode(), "x.yaml:1:4: the character U+0085", id="NEXT LINE"),
        pytest.param("a: \ufeff".encode(), "x.yaml:1:4: the character U+FEFF", id="a byte order mark inside"),
        pytest.param(b"a" * (FILE_LIMIT + 1), f"x.yaml: the file has more than {FILE_LIMIT} bytes", id="too large"),
    ],
)
def test_what_is_no_text(raw: bytes, said: str) -> None:
    """Each is one problem, at the place where it is wrong; control characters do not reach the report."""
    with pytest.raises(ConfigProblems) as caught:
        text_of("x.yaml", raw)
    [problem] = caught.value.problems
    assert str(problem).startswith(said)
    assert str(problem).replace("\n", "").isprintable()


def test_a_windows_file_is_a_file() -> None:
    """A byte order mark at the start and CRLF are what Windows editors write: lines and columns stay right."""
    text = text_of("x.yaml", b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert text.content == "a: 1\nb: 2\n"
    assert text.lines == ("a: 1", "b: 2", "")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        pytest.param(str, "there is no such file", id="a file that is not there"),
        pytest.param(Path.mkdir, "this is a directory: name the file in it", id="a directory"),
        pytest.param(lambda path: path.symlink_to(path), "the file cannot be read: too many levels", id="a loop"),
    ],
)
def test_what_is_no_file(tmp_path: Path, make, sentence: str) -> None:
    """What cannot be opened is said in a sentence, without a traceback and without an errno."""
    path = tmp_path / "authproxy.yaml"
    make(path)
    with pytest.raises(ConfigProblems) as caught:
        read_text(path)
    assert str(caught.value).startswith(f"{path}: {sentence}")


def test_a_name_may_be_impossible() -> None:
    """A NUL in a name and a newline in one end in a sentence of one line."""
    for name in ("a\0b", "no\nsuch"):
        with pytest.raises(ConfigProblems) as caught:
            read_text(Path(name))
        assert str(caught.value).isprintable()


def test_a_pipe_is_read(tmp_path: Path) -> None:
    """`--config <(generate)` hands over a pipe."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"a: 1\n",))
    writer.start()
    assert read_text(path).lines == ("a: 1", "")
    writer.join()


def test_an_endless_file_is_not_read_to_its_end() -> None:
    """Reading stops at the limit, whatever comes behind."""
    with pytest.raises(ConfigProblems, match="more than"):
        read_text(Path("/dev/zero"))


def test_a_place_beyond_the_end_has_no_line() -> None:
    """PyYAML may point behind the last line; the caret then stands under nothing."""
    assert text_of("x.yaml", b"a: 1").problem(7, 1, "it ends").excerpt == "\n    ^"
