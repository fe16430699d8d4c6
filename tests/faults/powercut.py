"""A disk that loses its power: what may be left of some files, by what a program did to them and when it synced.

What was synced is there. Of everything since, each change may be there or not, in any combination, and of a write each
sector by itself (torn). A file's name is a change to its folder and is there for sure once the folder was synced; names
come and go in the order in which they were changed, as a journalling file system keeps it. The model is that of
ALICE ("All File Systems Are Not Created Equal", OSDI 2014) without its knowledge of single file systems: the weakest
disk that keeps what it has synced.
"""

import random
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
_EVENT = struct.Struct("=cIQI")


@dataclass(frozen=True, slots=True)
class Event:
    """One system call. `path` is relative to the folder, empty for the folder itself."""

    kind: str  # C made, W written, T cut, S synced, U unlinked, R renamed
    path: str
    offset: int
    data: bytes


def compiled(folder: Path) -> Path:
    """Build the recorder."""
    source, library = Path(__file__).with_name("recorder.c"), folder / "recorder.so"
    command = ["gcc", "-shared", "-fPIC", "-O2", "-o", library, source, "-ldl", "-lpthread"]
    subprocess.run(command, check=True, timeout=60)
    return library


def recorded(recorder: Path, folder: Path, argv: Sequence[str | Path], env: Mapping[str, str]) -> list[Event]:
    """Run a program to its end; return what it did to the files in `folder`."""
    log = folder.with_name(f"{folder.name}.log")
    watched = {**env, "LD_PRELOAD": str(recorder), "FAULTS_FOLDER": str(folder), "FAULTS_LOG": str(log)}
    subprocess.run([str(each) for each in argv], env=watched, check=True, timeout=300)
    return list(_events(log.read_bytes(), str(folder)))


def _events(log: bytes, folder: str) -> Iterator[Event]:
    at = 0
    while at < len(log):
        kind, length, offset, size = _EVENT.unpack_from(log, at)
        at += _EVENT.size
        path, data = log[at : at + length].decode(), log[at + length : at + length + size]
        at += length + size
        yield Event(kind.decode(), path.removeprefix(folder).lstrip("/"), offset, data)


@dataclass(slots=True)
class _File:
    synced: bytes = b""
    since: list[Event] = field(default_factory=list)

    def sync(self) -> None:
        for event in self.since:
            self.synced = _applied(self.synced, event, whole=True, dice=None)
        self.since.clear()


def _applied(content: bytes, event: Event, *, whole: bool, dice: random.Random | None) -> bytes:
    if event.kind == "T":
        return content[: event.offset].ljust(event.offset, b"\0")
    made = bytearray(content.ljust(event.offset + len(event.data), b"\0"))
    for begin in range(0, len(event.data), SECTOR):
        if whole or (dice is not None and dice.random() < 0.5):
            piece = event.data[begin : begin + SECTOR]
            made[event.offset + begin : event.offset + begin + len(piece)] = piece
    return bytes(made)


class Disk:
    """The files of one folder, fed with events one by one; at any moment it can be asked what a cut might leave."""

    def __init__(self, before: Mapping[str, bytes]) -> None:
        self._names = {name: _File(content) for name, content in before.items()}
        self._synced_names = dict(self._names)
        self._name_changes: list[tuple[str, _File | None]] = []

    def do(self, event: Event) -> None:
        """Take note of one system call."""
        if event.kind == "S" and event.path == "":
            self._synced_names = dict(self._names)
            self._name_changes.clear()
        elif event.kind == "C":
            self._name(event.path, _File())
        elif event.kind == "U":
            self._name(event.path, None)
        elif event.kind == "R":
            raise NotImplementedError("nobody renames here")
        elif event.kind == "S":
            self._names[event.path].sync()
        else:
            self._names[event.path].since.append(event)

    def _name(self, path: str, file: _File | None) -> None:
        self._name_changes.append((path, file))
        if file is None:
            self._names.pop(path, None)
        else:
            self._names[path] = file

    @property
    def at_risk(self) -> bool:
        """Whether a cut now could leave more than one thing."""
        return bool(self._name_changes) or any(file.since for file in self._names.values())

    def cut(self, dice: random.Random, survives: float) -> dict[str, bytes]:
        """What may be left: each change since the last sync survives with this probability, and may be torn."""
        names = dict(self._synced_names)
        kept = sum(1 for _ in self._name_changes) if survives == 1 else 0
        if 0 < survives < 1:
            kept = dice.randint(0, len(self._name_changes))
        for path, file in self._name_changes[:kept]:
            if file is None:
                names.pop(path, None)
            else:
                names[path] = file
        return {path: self._left(file, dice, survives) for path, file in names.items()}

    def _left(self, file: _File, dice: random.Random, survives: float) -> bytes:
        content = file.synced
        for event in file.since:
            if dice.random() < survives:
                torn = 0 < survives < 1 and dice.random() < 0.3
                content = _applied(content, event, whole=not torn, dice=dice)
        return content
