"""The table of clients: which commands are uploads. tests/e2e/test_exec.py holds it to the clients themselves."""

import shlex

import pytest

from authproxy.client.uploaders import read_call


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("twine upload dist/*", "twine"),
        ("/venv/bin/twine -h upload", "twine"),
        ("python3 -m twine upload", "twine"),
        ("uv publish", "uv"),
        ("uv --directory x publish", "uv"),
        ("uvx twine upload", "twine"),
        ("poetry -C x publish", "poetry"),
        ("flit -f x publish", "flit"),
        ("hatch -e x publish", "hatch"),
        ("pdm publish", "pdm"),
        ("devpi --debug upload", "devpi"),
        ("twine check dist/*", None),
        ("uv pip install acme", None),
        ("pip install acme", None),
        ("sh -c 'twine upload'", None),
        ("make release", None),
    ],
)
def test_which_commands_upload(command: str, name: str | None) -> None:
    """Whatever starts it; what only looks like one is none."""
    call = read_call(tuple(shlex.split(command)))
    assert (call and call.uploader.name) == name
    assert read_call(()) is None
