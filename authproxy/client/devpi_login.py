"""A login of devpi-client's that lasts as long as one command: a folder with the two files that it keeps its state in.

devpi-client takes no password from its environment. Here it is written what `devpi use` and `devpi login` would have
written (devpi-client 7.3, devpi/use.py), with the derived key; the person's own state is read and stays as it is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from authproxy.client.errors import ClientError
from authproxy.client.logins import USER

CLIENTDIR: Final = "DEVPI_CLIENTDIR"
_STATE: Final = "current.json"
_LOGIN: Final = "auth.json"


@dataclass(frozen=True, slots=True)
class State:
    """What devpi-client uses: the index that it uploads to, and the rest of its file."""

    index: str
    document: Mapping[str, Any]

    @property
    def root(self) -> str:
        """The server as devpi-client names it when it looks for a login: all before `+login`."""
        return str(self.document["login"]).rpartition("/")[0] + "/"

    def write(self, folder: Path, key: str) -> None:
        """Write the state into an empty folder, logged in with the key."""
        (folder / _STATE).write_text(json.dumps({**self.document, "username": USER}), encoding="utf-8")
        (folder / _LOGIN).write_text(json.dumps({"auth": {self.root: [[USER, key]]}}), encoding="utf-8")


def state_of(url: str) -> State:
    """Make the state that `devpi use URL` makes. Raises ClientError for a URL that names no index."""
    parts = urlsplit(url)
    *before, user, index = ["", "", *filter(None, parts.path.split("/"))]
    if not user or not index:
        raise ClientError(f"for devpi the URL names the index too, as in {url.rstrip('/')}/team/dev")
    root = parts._replace(path="/".join(["", *filter(None, before), ""])).geturl()
    place = f"{root}{user}/{index}/"
    endpoints = {"index": place, "login": f"{root}+login", "pypisubmit": place, "simpleindex": f"{place}+simple/"}
    return State(place, {**endpoints, "features": ["server-keyvalue-parsing"]})


def state_in_use(environ: Mapping[str, str]) -> State | None:
    """Read the state that the person is in, as devpi-client finds it; None where no index is in use."""
    folder = Path(environ.get(CLIENTDIR) or "~/.devpi/client").expanduser()
    of_environment = Path(environ.get("VIRTUAL_ENV") or "/nowhere") / "devpi.json"
    path = of_environment if of_environment.exists() else folder / _STATE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        index, login = document["index"], document["login"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return State(index, document) if isinstance(index, str) and isinstance(login, str) else None
