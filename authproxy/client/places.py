"""Where this room keeps its files on the uploader's machine. It is loaded by every program that asks a keyring."""

import os
from pathlib import Path


def folder() -> Path:
    """Return the folder, by the XDG Base Directory Specification: ~/.config/authproxy."""
    base = Path(os.environ.get("XDG_CONFIG_HOME") or "")
    return (base if base.is_absolute() else Path.home() / ".config") / "authproxy"


def logins_file() -> Path:
    """Return the file that lists the hosts that somebody logged in to; there is none where nobody did."""
    return folder() / "logins.json"
