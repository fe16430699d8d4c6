"""Where the files of the uploader's machine are."""

from pathlib import Path

import pytest

from authproxy.client.places import folder, logins_file


def test_the_home_and_the_variable_say_where(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """~/.config, or XDG_CONFIG_HOME where that is an absolute path: a relative one has to be ignored (XDG)."""
    assert folder() == home / ".config" / "authproxy"
    monkeypatch.setenv("XDG_CONFIG_HOME", "config")
    assert folder() == home / ".config" / "authproxy"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert logins_file() == tmp_path / "authproxy" / "logins.json"
