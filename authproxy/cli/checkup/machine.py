"""What the machine gives: files that may be open, room for uploads, memory for hashing, and its own addresses.

Looks at the machine and at the configuration's limits; writes nothing, not even to see whether it could.
"""

import os
import re
import resource
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from authproxy.cli.checkup.finding import Finding, ok, problem, warning
from authproxy.cli.statefolder import trouble_with
from authproxy.config import Config

# An upload holds three: the client's connection, the index's, and its spool. What most shells and services have by
# default, 1024, is enough for some 300 of them; less is somebody's slip.
FILES_PER_UPLOAD: Final = 3
FILES_ENOUGH: Final = 1024

MIB: Final = 1024 * 1024
# Below this no wheel of any size finds room, and SQLite's journal may not either.
NO_ROOM: Final = 64 * MIB
# What the proxy takes itself, before anything is hashed or spooled: 60 to 80 MiB, measured.
OWN_MEMORY: Final = 100 * MIB

_KIB: Final = 1024
_MEMINFO: Final = Path("/proc/meminfo")
_CGROUP: Final = Path("/sys/fs/cgroup")
_ROUTES: Final = Path("/proc/net/fib_trie")
_IPV6: Final = Path("/proc/net/if_inet6")

# Reserved for documentation (RFC 5737, RFC 3849), so nobody is there. To "connect" a datagram socket sends nothing; it
# only makes the system choose the address that it would send from.
_ELSEWHERE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def size(count: int) -> str:
    """A number of bytes, for people."""
    return f"{count / MIB / 1024:.1f} GiB" if count >= 1024 * MIB else f"{count // MIB} MiB"


def check_descriptors(_config: Config) -> Iterator[Finding]:
    """How many files and connections may be open at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        yield ok("descriptors", "any number of files may be open at once")
    elif soft >= FILES_ENOUGH:
        yield ok("descriptors", f"{soft} files may be open at once: {soft // FILES_PER_UPLOAD} uploads")
    else:
        yield warning(
            "descriptors",
            f"only {soft} files may be open at once in this session: {soft // FILES_PER_UPLOAD} uploads",
            "raise it: LimitNOFILE=65536 in the systemd unit, or ulimit -n",
        )


def check_disk(config: Config) -> Iterator[Finding]:
    """Whether there is room for an upload of the largest size."""
    folder, limit = config.state_directory, config.limits.max_upload
    if trouble := trouble_with(folder):
        yield problem("disk", *trouble)
        return
    there = folder if folder.is_dir() else folder.parent
    if not os.access(there, os.W_OK | os.X_OK):
        yield problem(
            "disk",
            f"{there} cannot be written by the user who runs this",
            "give it to the user who runs the server, and run doctor as that user",
        )
        return
    free = shutil.disk_usage(there).free
    if free < NO_ROOM:
        yield problem("disk", f"{size(free)} are free at {there}: there is no room for uploads", "free some space")
    elif free < limit:
        yield warning(
            "disk",
            f"{size(free)} are free at {there}, and limits.max_upload takes files of {size(limit)}",
            "free some space, put state_directory on a larger disk, or lower limits.max_upload",
        )
    else:
        yield ok("disk", f"{size(free)} are free at {there}, and an upload may have {size(limit)}")


def check_memory(_config: Config) -> Iterator[Finding]:
    """Whether keys can be hashed. Nothing is said where the system does not say how much memory is free."""
    from authproxy.authority.hashing import MEMORY_KIB, spare_threads

    free = free_memory()
    hashing = spare_threads() * MEMORY_KIB * _KIB
    if free is None:
        return
    said = f"{size(free)} of memory are free, and checking keys takes up to {size(hashing)}"
    if free < hashing + OWN_MEMORY:
        yield warning("memory", said, "give the server more memory, or first uploads with a key are put off (503)")
    else:
        yield ok("memory", said)


def free_memory(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int | None:
    """Bytes that a program could still have, by the system or by its container, whichever is less."""
    found = []
    with suppress(OSError):
        if available := re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(encoding="ascii"), re.MULTILINE):
            found.append(int(available[1]) * _KIB)
    with suppress(OSError, ValueError):  # "max": no limit
        limit = int((cgroup / "memory.max").read_text(encoding="ascii"))
        found.append(max(0, limit - int((cgroup / "memory.current").read_text(encoding="ascii"))))
    return min(found, default=None)


def own_addresses(routes: Path = _ROUTES, ipv6: Path = _IPV6) -> list[str]:
    """The addresses at which other machines could reach this one; link-local ones are left out."""
    found = {address for family, there in _ELSEWHERE if (address := _address_towards(family, there))}
    with suppress(OSError):
        found |= set(re.findall(r"\|-- ([0-9.]+)\n\s+/32 host LOCAL", routes.read_text(encoding="ascii")))
    with suppress(OSError):
        digits = re.findall(r"^([0-9a-f]{32}) ", ipv6.read_text(encoding="ascii"), re.MULTILINE)
        found |= {str(ip_address(bytes.fromhex(each))) for each in digits}
    addresses = map(ip_address, sorted(found))
    return [str(each) for each in addresses if not (each.is_loopback or each.is_link_local or each.is_unspecified)]


def _address_towards(family: socket.AddressFamily, there: str) -> str | None:
    with suppress(OSError), closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
        probe.connect((there, 9))
        return str(probe.getsockname()[0])
    return None
