"""Master keys in the file: what is read, and every mistake with its place and one sentence."""

import base64
from pathlib import Path

import pytest

from authproxy.config import load, shown
from authproxy.config.masters import MASTER_BYTES, master_key, written
from authproxy.config.settings import SecretReference, SecretSource
from tests.config.conftest import LEAST, Complaining, Loading

ONE, TWO, THREE = (bytes([number]) * MASTER_BYTES for number in (1, 2, 3))
KEYS = """\
keys:
  master_key: {file: one}
  former_master_keys: [{file: two}, {file: three}]
"""


@pytest.fixture(autouse=True)
def kept(file: Path) -> None:
    """The files that hold them, and some that do not."""
    texts = {"one": written(ONE), "two": written(TWO), "three": written(THREE), "again": written(ONE)}
    texts |= {"short": base64.b64encode(bytes(31)).decode(), "words": "correct horse", "hex": ONE.hex()}
    texts |= {"loose": written(ONE)[:-2] + "F="}  # other bits behind the last byte: a second spelling
    for name, text in texts.items():
        path = file.with_name(name)
        path.write_text(f"{text}\n")
        path.chmod(0o600)


def test_master_keys_are_read(loaded: Loading) -> None:
    """With where they stand; none of them is in a picture of the configuration."""
    config = loaded(LEAST + KEYS)
    assert (config.masters.current, config.masters.former) == (ONE, (TWO, THREE))
    assert config.masters.current_from == SecretReference(SecretSource.FILE, "one")
    assert repr(ONE) not in repr(config)
    assert shown(config)["keys"]["master_key"] == {"file": "one"}
    assert shown(config)["keys"]["former_master_keys"] == [{"file": "two"}, {"file": "three"}]
    assert (config.keys.prefix, config.warnings) == ("apx", ())


def test_without_one_there_is_none(loaded: Loading) -> None:
    """It is no mistake: keys work, and `config show` says nothing of what there is not."""
    config = loaded(LEAST)
    assert (config.masters.current, config.masters.former, config.masters.current_from) == (None, (), None)
    assert "master_key" not in shown(config)["keys"]


def test_without_secrets(file: Path) -> None:
    """A file can be reviewed where its secrets are not."""
    file.write_text(LEAST + KEYS.replace("one", "gone"))
    config = load(file, {}, secrets=False)
    assert (config.masters.current, config.masters.former) == (None, ())
    assert config.masters.current_from is not None


def test_it_may_come_from_the_environment_or_a_credential(file: Path) -> None:
    """As every secret may."""
    file.write_text(LEAST + KEYS.replace("{file: one}", "{env: MASTER}").replace("{file: two}", "{credential: two}"))
    env = {"MASTER": written(ONE), "CREDENTIALS_DIRECTORY": str(file.parent)}
    assert load(file, env).masters.former[0] == TWO


MISTAKES = {
    "another length": ("one", "short", "5:15: keys.master_key: a master key is 32 bytes in Base64, as `authproxy db master-key` makes them: this is another text, of 31 bytes"),
    "no Base64": ("one", "words", "5:15: keys.master_key: a master key is 32 bytes in Base64, as `authproxy db master-key` makes them: this is no Base64"),
    "hexadecimal": ("one", "hex", "5:15: keys.master_key: a master key is 32 bytes in Base64, as `authproxy db master-key` makes them: this is another text, of 48 bytes"),
    "a second spelling": ("one", "loose", "5:15: keys.master_key: a master key is 32 bytes in Base64, as `authproxy db master-key` makes them: this is another text, of 32 bytes"),
    "a file that is not there": ("two", "gone", "6:24: keys.former_master_keys[0]: there is no file '{folder}/gone': write the secret into it, and nothing else"),
    "the same key twice": ("two", "again", "6:24: keys.former_master_keys[0] is the same key as keys.master_key: one of the two must go"),
    "the same former key twice": ("three", "two", "6:37: keys.former_master_keys[1] is the same key as keys.former_master_keys[0]: one of the two must go"),
    "former ones alone": ("  master_key: {file: one}\n", "", "5:3: keys.former_master_keys takes a keys.master_key beside it"),
    "the key itself": ("{file: one}", written(ONE), "5:15: keys.master_key: a secret never stands in this file: write {{file: PATH}}, {{env: NAME}} or {{credential: NAME}}"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence(complaints: Complaining, file: Path, before: str, after: str, sentence: str) -> None:
    """Where it is, what is wrong, and what is taken instead."""
    assert complaints(LEAST + KEYS.replace(before, after)) == [sentence.format(folder=file.parent)]


def test_a_master_key_in_the_file_itself_is_not_shown(file: Path) -> None:
    """Whoever pasted it where it does not belong must not find it in a log as well."""
    for text in (KEYS.replace("{file: one}", written(ONE)), KEYS.replace("{file: two}", written(ONE))):
        file.write_text(LEAST + text)
        with pytest.raises(Exception, match="never stands in this file") as caught:
            load(file, {})
        assert written(ONE) not in str(caught.value)


def test_one_that_everybody_may_read_is_a_warning(loaded: Loading, file: Path) -> None:
    """As with every secret: it works, and ought to be mended."""
    file.with_name("two").chmod(0o644)
    [warning] = loaded(LEAST + KEYS).warnings
    assert warning.sentence.startswith("keys.former_master_keys[0]: everybody on this machine may read")


def test_what_is_written_is_read() -> None:
    """Every master key has one spelling."""
    assert master_key(written(THREE)) == THREE
