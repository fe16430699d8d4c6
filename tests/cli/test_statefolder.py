"""A state directory that cannot be one is named by its key, to whoever starts the server and by `doctor`."""

from pathlib import Path

import pytest

from authproxy.cli.statefolder import trouble_with
from tests.cli.conftest import Cli


def _good(folder: Path) -> Path:
    return folder / "state"


def _there(folder: Path) -> Path:
    return folder


def _file(folder: Path) -> Path:
    (folder / "state").touch()
    return folder / "state"


def _below_a_file(folder: Path) -> Path:
    return _file(folder) / "deep" / "state"


def _far(folder: Path) -> Path:
    return folder / "no" / "state"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_good, None),
        (_there, None),
        (_file, "{0}/state, and that is no folder"),
        (_below_a_file, "{0}/state/deep/state, and {0}/state is no folder"),
        (_far, "{0}/no/state, and there is neither that folder nor the one above it"),
    ],
    ids=["not made yet", "made", "a file", "below a file", "far from any folder"],
)
def test_what_is_wrong_with_it(tmp_path: Path, make, said: str | None) -> None:
    """One sentence that begins with the key; nothing is made."""
    found = trouble_with(make(tmp_path))
    expected = None if said is None else f"state_directory is {said.format(tmp_path)}"
    assert (found and found[0]) == expected
    assert not _far(tmp_path).parent.exists()


@pytest.mark.parametrize("make", [_file, _below_a_file, _far])
def test_doctor_and_serve_say_the_same(cli: Cli, config_file: Path, make) -> None:
    """The one finds what the other ends by."""
    folder = make(config_file.parent)
    config_file.write_text(config_file.read_text().replace("state_directory: state", f"state_directory: {folder}"))
    found = trouble_with(folder)
    assert found is not None
    looked, started = cli("doctor"), cli("serve")
    assert (looked.status, started.status) == (3, 1)
    assert f"problem  disk             {found[0]}" in looked.stdout
    assert f"authproxy: {found[0]} ({config_file}): {found[1]}\n" == started.stderr.splitlines(keepends=True)[-1]
