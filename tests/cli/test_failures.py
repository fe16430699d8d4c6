"""What the system refuses becomes one sentence: what, where, and what to do."""

import errno

import pytest

from authproxy.cli.failures import Exit, Failure, sentence_of


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "x", "/var/f"), "/var/f: no space left on device; free some space"),
        (PermissionError(errno.EACCES, "x", "/etc/f"), "/etc/f: permission denied; run the command as the user"),
        (FileNotFoundError(errno.ENOENT, "x", "/no"), "/no: no such file or directory"),
        (OSError(errno.EROFS, "x", b"/ro"), "/ro: read-only file system; the directory must be writable"),
        (OSError("odd"), "odd"),
    ],
    ids=["a full disk", "no permission", "no file", "a read-only disk", "no number"],
)
def test_what_the_system_refuses_is_a_sentence(error: OSError, words: str) -> None:
    """What, where, and what to do; no errno and no traceback."""
    assert sentence_of(error).startswith(words)


def test_the_statuses_are_the_contract() -> None:
    """Scripts rely on these four numbers, and a failure without any other is the first."""
    assert [(each.name, int(each)) for each in Exit] == [("DONE", 0), ("FAILED", 1), ("USAGE", 2), ("NO", 3)]
    assert Failure("no").exit_code == Exit.FAILED
