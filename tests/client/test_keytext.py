"""What is a key, and which files may hold one."""

import io
import os
from pathlib import Path

import pytest

from authproxy.client.errors import ClientError
from authproxy.client.keytext import READ_LIMIT, key_text, prefix_of, read_file, read_stream
from authproxy.domain.caveats import Lifetime
from authproxy.domain.derived import derive
from authproxy.domain.keys import mint, name_key, name_secret


def test_a_key_and_a_derived_one_are_taken_with_white_space_around(key: str) -> None:
    """Secrets of CI systems end in newlines; a prefix of the house's own is read off the key."""
    derived = derive(key, [Lifetime(2, 1)], "apx")
    other = mint("acme", name_secret(name_key(bytes(16)), "0"), bytes(32))
    for text in (key, derived, other):
        assert key_text(f"\t{text}\r\n") == text
    assert prefix_of(other) == "acme"


def test_what_is_no_key_is_refused_and_not_shown(key: str) -> None:
    """A key with a typing error is most of a key: the sentence has its length alone."""
    for wrong in (
        key[:-1],
        key[:-1] + ("0" if key[-1] != "0" else "1"),
        f"{key}x",
        "pypi-AgEIcHl",
        "s3cret",
        "",
        "\x00",
    ):
        with pytest.raises(ClientError) as refused:
            key_text(wrong)
        said = str(refused.value)
        assert "no key" in said
        assert not wrong.strip() or wrong.strip() not in said
        assert key[14:30] not in said


def test_a_file_that_others_can_read_is_refused(tmp_path: Path, key: str) -> None:
    """Whatever bit there is for group or world; the sentence has the line that helps. At 0600 and 0400 it is read."""
    path = tmp_path / "the.key"
    path.write_text(key + "\n")
    for mode in (0o640, 0o604, 0o610, 0o666, 0o777):
        path.chmod(mode)
        with pytest.raises(ClientError, match=f"mode {mode:04o}.*chmod 600"):
            read_file(path)
    for mode in (0o600, 0o400):
        path.chmod(mode)
        assert read_file(path) == key


def test_a_pipe_is_read(key: str) -> None:
    """`--key-file <(pass show pypi)`: a shell hands over a pipe, which nobody else has."""
    read_end, write_end = os.pipe()
    os.write(write_end, key.encode())
    os.close(write_end)
    try:
        assert read_file(Path(f"/dev/fd/{read_end}")) == key
    finally:
        os.close(read_end)


def test_a_stream_is_read_no_further_than_a_key_can_be_long() -> None:
    """A wrong file of a gigabyte is not read to its end."""
    stream = io.BytesIO(b"a" * (READ_LIMIT + 100))
    with pytest.raises(ClientError, match="bytes are no key"):
        read_stream(stream)
    assert stream.tell() == READ_LIMIT + 1
