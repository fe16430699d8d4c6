"""Priorities for the journal: before every line where stderr is the journal, and nowhere else."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from authproxy.cli.journal import is_journal

LEVELS = ("debug", "info", "warning", "error", "critical")
PROGRAM = """
import logging, sys
from authproxy.cli.logs import to_stderr
to_stderr("debug", sys.argv[1])
for level in sys.argv[2:]:
    logging.getLogger("test").log(getattr(logging, level.upper()), "two\\nlines")
"""


def journal_stream(file: Path, *, off_by: int = 0) -> str:
    """What systemd would set, had it made stderr of this file."""
    there = file.stat()
    return f"{there.st_dev}:{there.st_ino + off_by}"


def said(folder: Path, *argv: str, env: dict[str, str], off_by: int | None = 0) -> list[str]:
    """What a program writes on stderr, a file that `JOURNAL_STREAM` names or not."""
    file = folder / "stderr"
    file.touch()
    given = {name: text for name, text in os.environ.items() if name != "JOURNAL_STREAM"} | env
    if off_by is not None:
        given["JOURNAL_STREAM"] = journal_stream(file, off_by=off_by)
    with file.open("wb") as stream:
        subprocess.run([sys.executable, *argv], stderr=stream, stdout=subprocess.DEVNULL, env=given, check=False)
    return file.read_text(encoding="utf-8").splitlines()


def test_json_has_its_priority_where_stderr_is_the_journal(tmp_path: Path) -> None:
    """One number for each level, as syslog counts them, and the rest of the line is what it is without."""
    lines = said(tmp_path, "-c", PROGRAM, "json", *LEVELS, env={})
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<3>"]
    assert [json.loads(line[3:])["level"] for line in lines] == list(LEVELS)


def test_text_has_it_before_each_of_its_lines(tmp_path: Path) -> None:
    """The journal makes an entry of each line: the second of a warning is a warning too."""
    lines = said(tmp_path, "-c", PROGRAM, "text", "warning", env={})
    assert [line[:3] for line in lines] == ["<4>", "<4>"]
    assert lines[1] == "<4>    lines"


@pytest.mark.parametrize("off_by", [None, 1], ids=["no journal", "a journal that stderr is not"])
def test_elsewhere_there_is_none(tmp_path: Path, off_by: int | None) -> None:
    """Also where the variable was inherited and stderr was sent elsewhere since."""
    for line in said(tmp_path, "-c", PROGRAM, "json", *LEVELS, env={}, off_by=off_by):
        assert json.loads(line)["message"] == "two\nlines"


def test_why_a_server_does_not_start_is_an_error_in_the_journal(tmp_path: Path) -> None:
    """The last sentence of a unit that failed is what `journalctl -p warning` is asked for."""
    missing = str(tmp_path / "missing.yaml")
    [line] = said(tmp_path, "-m", "authproxy", "serve", "--config", missing, env={})
    assert line == f"<3>authproxy: {missing}: there is no such file"
    [line] = said(tmp_path, "-m", "authproxy", "serve", "--config", missing, env={}, off_by=None)
    assert line == f"authproxy: {missing}: there is no such file"


def test_a_stream_that_is_no_file_is_no_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says."""
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    assert not is_journal(io.StringIO())
