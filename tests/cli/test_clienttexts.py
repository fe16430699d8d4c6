"""The texts by themselves: each is used, each file is of its syntax, and nobody has to scroll to read one."""

import configparser
import re
import subprocess
import tomllib
from collections.abc import Callable, Mapping

import pytest
import yaml

from authproxy.cli import clienttexts, jobtexts
from authproxy.cli.clientlines import CLIENTS, place

BOTH = vars(clienttexts) | vars(jobtexts)
TEXTS = {name: text for name, text in BOTH.items() if name.isupper() and isinstance(text, str)}
WIDEST = 120
AT = place("https://pypi.example.com/", "team/dev")


def ini(text: str) -> object:
    """As twine, flit and pip read theirs, which know no interpolation."""
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return parser.sections()


SYNTAX: Mapping[str, Callable[[str], object]] = {
    "pip.conf": ini,
    ".pypirc": ini,
    "config.toml": tomllib.loads,
    "pyproject.toml": tomllib.loads,
    ".github/workflows/authproxy.yml": yaml.safe_load,
    ".github/workflows/release.yml": yaml.safe_load,
    ".gitlab-ci.yml": yaml.safe_load,
}
ROWS = [(client, name) for client, forms in CLIENTS.items() for name in forms]


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_one_that_is_printed(name: str) -> None:
    """It ends with a line break, its lines fit, and some form holds it."""
    text = TEXTS[name]
    assert text.endswith("\n")
    assert max(map(len, text.splitlines())) <= WIDEST
    blocks = [block for forms in CLIENTS.values() for form in forms.values() for _, block in form.blocks]
    skeleton = re.sub("CLIENT|VARIABLE|COMMAND", "\0", re.escape(text)).replace("\0", ".+")
    assert any(re.search(skeleton, block) for block in blocks)


@pytest.mark.parametrize(("client", "name"), ROWS)
def test_what_is_printed_is_of_its_syntax(client: str, name: str) -> None:
    """The file's own reader takes it, comments and all, for every purpose; a shell reads the lines without running them."""
    form = CLIENTS[client][name]
    for purposes in {frozenset({purpose}) for purpose in form.purposes} | {form.purposes}:
        text = form.written(AT, purposes)
        if form.file is not None:
            assert SYNTAX[form.file](text)
        else:
            ran = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, timeout=20, check=False)
            assert (ran.returncode, ran.stderr) == (0, "")


def test_control_a_broken_file_would_be_noticed() -> None:
    """The readers are those that complain."""
    for read in set(SYNTAX.values()):
        with pytest.raises((configparser.Error, tomllib.TOMLDecodeError, yaml.YAMLError)):
            read("[section\nkey: 'value\n")
