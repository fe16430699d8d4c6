"""The printer: nothing that was stored drives a terminal, and a file with a key in it is read by its owner alone."""

import io
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.cli.failures import Failure
from authproxy.cli.output import Output, client_name, coloured, counted, destination, printable

COLUMNS = ("id", "owner", "uses")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        pytest.param("ci@acme", "ci@acme", id="plain text stays"),
        pytest.param("Jürgen Groß", "Jürgen Groß", id="letters of any language stay"),
        pytest.param("\x1b]0;owned\x07", "\\x1b]0;owned\\x07", id="an escape sequence is written out"),
        pytest.param("\x9b31m", "\\x9b31m", id="an eight-bit escape is written out"),
        pytest.param("a\nb\tc\r", "a\\x0ab\\x09c\\x0d", id="white space that moves the cursor is written out"),
        pytest.param("\u202egnp.exe", "\\u202egnp.exe", id="a change of reading direction is written out"),
        pytest.param("\udcff", "\\udcff", id="a byte that was no UTF-8 is written out"),
        pytest.param("\U000e0041", "\\U000e0041", id="an invisible tag character is written out"),
    ],
)
def test_printable(raw: str, shown: str) -> None:
    """What a terminal could obey is shown as an escape; everything else is shown as it is."""
    assert printable(raw) == shown


@given(st.text())
def test_printable_leaves_nothing_to_obey(text: str) -> None:
    """No character of any text survives that is not printable, and what is printable is not touched."""
    shown = printable(text)
    assert shown.isprintable()
    assert (shown == text) == text.isprintable()


@pytest.mark.parametrize("terminal", [False, True], ids=["in a pipe", "at a terminal"])
def test_a_listing_never_prints_raw_control_characters(terminal: bool) -> None:
    """An owner with an escape sequence and with rich's markup is shown as text, in both forms of a list."""
    stream = Terminal() if terminal else io.StringIO()
    with Output(json=False, stream=stream).listing(COLUMNS) as listing:
        listing.add([{"id": "a", "owner": "\x1b[2J [red]x[/red]", "uses": None}])
    shown = stream.getvalue()
    assert "\\x1b[2J [red]x[/red]" in shown
    assert "\x1b[2J" not in shown


def test_a_naive_listing_would_be_caught() -> None:
    """Negative control: the same check sees the escape where `printable` is left out."""
    stream = io.StringIO()
    print("a", "\x1b[2J", sep="\t", file=stream)
    assert "\x1b[2J" in stream.getvalue()


@pytest.mark.parametrize("sizes", [[], [0], [1], [2, 0, 3]], ids=str)
def test_a_json_listing_is_one_array(sizes: list[int]) -> None:
    """However the batches fall, what stands on stdout is one JSON array."""
    stream = io.StringIO()
    rows = [
        [{"id": f"{batch}-{row}", "owner": "\x1b", "uses": 1} for row in range(size)]
        for batch, size in enumerate(sizes)
    ]
    with Output(json=True, stream=stream).listing(COLUMNS) as listing:
        for batch in rows:
            listing.add(batch)
    assert json.loads(stream.getvalue()) == [row for batch in rows for row in batch]
    assert "\x1b" not in stream.getvalue()


def test_a_listing_that_broke_off_is_not_closed() -> None:
    """Half a list is no JSON, so that nobody takes it for the whole."""
    stream = io.StringIO()
    rows = [{"id": "a", "owner": "b", "uses": 1}, {"id": "b", "owner": object(), "uses": 1}]
    with pytest.raises(TypeError), Output(json=True, stream=stream).listing(COLUMNS) as listing:
        listing.add(rows)
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


def test_a_listing_for_a_pipe_has_one_line_per_row_and_one_cell_per_column() -> None:
    """`cut -f` finds the same column in every line, also where a cell held a tab or nothing."""
    stream = io.StringIO()
    with Output(json=False, stream=stream).listing(COLUMNS) as listing:
        listing.add([{"id": "a", "owner": "x\ty", "uses": None}, {"id": "b", "owner": "", "uses": [1, 2]}])
    cells = [line.split("\t") for line in stream.getvalue().splitlines()]
    assert cells == [["id", "owner", "uses"], ["a", "x\\x09y", "-"], ["b", "-", "1 2"]]


@pytest.mark.parametrize("terminal", [False, True], ids=["in a pipe", "at a terminal"])
def test_a_column_may_be_headed_otherwise(terminal: bool) -> None:
    """A person reads another name than a program: JSON keeps its own."""
    row = {"id": "a", "owner": "x", "uses": 1}
    stream = Terminal() if terminal else io.StringIO()
    with Output(json=False, stream=stream).listing(COLUMNS, owner="whose it is") as listing:
        listing.add([row])
    head = stream.getvalue().splitlines()[0]
    assert "whose it is" in head
    assert "owner" not in head
    stream = io.StringIO()
    with Output(json=True, stream=stream).listing(COLUMNS, owner="whose it is") as listing:
        listing.add([row])
    assert json.loads(stream.getvalue()) == [row]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
    ids=["a terminal", "NO_COLOR set", "NO_COLOR empty", "a dumb terminal"],
)
def test_colours(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: bool) -> None:
    """Colours go to terminals that want them, and a NO_COLOR that is set and not empty turns them off."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert coloured(Terminal()) is expected
    assert not coloured(io.StringIO())


def test_a_narrow_terminal_cuts_only_the_last_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id can be copied from a terminal of any width; a row is one line, and free text gives way."""
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    rows = [{"id": "Ab0123456789", "owner": "ci@acme.example", "note": "word " * 30}]
    with Output(json=False, stream=stream).listing(("id", "owner", "note")) as listing:
        listing.add(rows)
    _, line = stream.getvalue().splitlines()
    assert line.split()[:3] == ["Ab0123456789", "ci@acme.example", "word"]
    assert line.rstrip().endswith("…")


def test_a_table_has_no_colours_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR not one colour sequence is written, by rich neither."""
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    with Output(json=False, stream=stream).listing(COLUMNS) as listing:
        listing.add([{"id": "a", "owner": "b", "uses": 3}])
    assert "\x1b[3" not in stream.getvalue()


def test_a_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    """`-o FILE` writes 0600 under a generous umask and under one that takes everything away."""
    for umask in (0o000, 0o777):
        before = os.umask(umask)
        try:
            with destination(tmp_path / f"key{umask}") as stream:
                stream.write("secret\n")
        finally:
            os.umask(before)
        written = tmp_path / f"key{umask}"
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
        assert written.read_text() == "secret\n"


def test_an_existing_file_is_not_touched(tmp_path: Path) -> None:
    """What stands there may be the only copy of another key: a file and a link to one are both left alone."""
    target, link = tmp_path / "key", tmp_path / "link"
    target.write_text("the only copy")
    link.symlink_to(target)
    for path in (target, link):
        with pytest.raises(Failure, match="exists already"), destination(path):
            pytest.fail("the command must not run")
    assert target.read_text() == "the only copy"


def test_a_failed_command_leaves_no_file(tmp_path: Path) -> None:
    """A file for data that never came is gone again, so that the next attempt finds its name free."""
    path = tmp_path / "key"
    with pytest.raises(Failure, match="no such policy"), destination(path):
        raise Failure("no such policy")
    assert not path.exists()


@pytest.mark.parametrize(
    ("as_json", "line"),
    [(True, '{"id": "a", "note": "b\\tc"}\n'), (False, "a\tb\\x09c\t-\n")],
    ids=["JSON lines", "columns"],
)
def test_a_line_arrives_at_once(tmp_path: Path, as_json: bool, line: str) -> None:
    """One of many things is a line of its own and in the file when the call returns, whatever becomes of us then."""
    with (tmp_path / "list").open("w") as stream:
        Output(as_json, stream).line({"id": "a", "note": "b\tc"}, ("a", "b\tc", None))
        assert (tmp_path / "list").read_text() == line


@pytest.mark.parametrize(("keep", "written", "stays"), [(True, "key", True), (True, "", False), (False, "key", False)])
def test_what_a_failing_command_leaves(tmp_path: Path, keep: bool, written: str, stays: bool) -> None:
    """Nothing, but for what may be all that there is of a new key."""

    def fails() -> None:
        with destination(tmp_path / "new", keep=keep) as stream:
            stream.write(written)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert (tmp_path / "new").exists() is stays


@pytest.mark.parametrize(
    ("said", "name"),
    [
        pytest.param("twine/6.2.0 pkginfo/1.12 CPython/3.11", "twine/6.2.0 pkginfo/1.12 CPython/3.11", id="all of it"),
        pytest.param('uv/0.13.9 {"installer":{"name":"u', "uv/0.13.9", id="without what is cut off anyway"),
        pytest.param('{"a": 1}', '{"a": 1}', id="what is nothing else"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_the_name_of_a_client(said: str, name: str) -> None:
    """uv and pip describe the machine behind their names, in JSON that nobody reads in a table."""
    assert client_name(said) == name


def test_what_went_into_a_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, once it is there; on stdout the thing itself is seen."""
    path = tmp_path / "file"
    with destination(path) as stream:
        out = Output(json=False, stream=stream, file=path)
        out.document({}, ["a line"])
        out.done("did it")
        assert path.read_text() == "a line\n"
    with destination(None) as stream:
        Output(json=False, stream=stream).done("did it")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"did it: {path}\n")


def test_a_number_and_its_noun() -> None:
    """One has no plural, none has one."""
    said = [counted(number, "file") for number in (0, 1, 2)] + [counted(2, "key policy", "key policies")]
    assert said == ["0 files", "1 file", "2 files", "2 key policies"]
