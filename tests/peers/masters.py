"""An installation with a master key, and what its keys can be made into."""

import time
from base64 import b64encode
from pathlib import Path
from typing import Any

from authproxy.domain.caveats import Caveat, Digests, Lifetime, Once, Projects, base64url
from authproxy.domain.derived import derive
from authproxy.domain.names import ProjectName
from tests.peers.packages import Package

MASTER = bytes(range(32))


def with_master(folder: Path, *, master: bytes = MASTER, former: tuple[bytes, ...] = ()) -> dict[str, Any]:
    """Write master keys into a folder; the settings that name them (`peers.proxy.settings`)."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number, each in enumerate((master, *former)):
        path = folder / f"master-key-{number}"
        path.write_text(b64encode(each).decode() + "\n")
        path.chmod(0o600)
        names.append({"file": path.name})
    return {"master_key": names[0], **({"former_master_keys": names[1:]} if former else {})}


def lifetime(seconds: int = 300) -> Lifetime:
    """From half a minute ago until so many seconds from now."""
    now = int(time.time())
    return Lifetime(now + seconds, now - 30)


def once(number: int, project: str, *files: Package) -> list[Caveat]:
    """What a key for one upload to a project has, or for one of each of these files."""
    bound = [Digests(frozenset(file.sha256 for file in files))] if files else []
    return [lifetime(), Projects(frozenset({ProjectName(project)})), *bound, Once(base64url(number.to_bytes(16)))]


def derived(key: str, *caveats: Caveat) -> str:
    """What a holder makes of a key."""
    return derive(key, caveats, "apx")
