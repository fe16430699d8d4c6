r"""Which member of an archive is its metadata: the rules that hold for zip and tar alike.

A wheel has exactly one `NAME-VERSION.dist-info` folder at its top, with a `METADATA` in it; an sdist has exactly one
folder at its top, `NAME-VERSION`, with a `PKG-INFO` in it and everything else beside or below. The folder must name the
project and version of the filename. This room reads names of members and no bytes.

Rule 1. One member is the metadata. A second one, however it is spelled, would win where files are unpacked in order.
Rule 2. Spellings are compared as the most generous file system would: without case, dots, empty segments and the
        difference between `/` and `\`. The member that counts must be spelled plainly.
Rule 3. Other members may be called anything: nothing is unpacked here. Absolute and climbing names matter only where
        they lead to the metadata (and in an sdist, where they leave its one folder).
"""

import posixpath
from dataclasses import dataclass, field

from authproxy.domain.names import Artifact, Filetype, project_name, same_version
from authproxy.domain.refusal import Code, Refused, quoted, refuse

# What 16 bits count: a zip without zip64 has no more. The largest wheels on PyPI have some 20,000 members.
MEMBERS_LIMIT = 65_535
# Bytes. Mostly the description, that is a README; PyPI's longest are about 1 MiB.
METADATA_LIMIT = 4 * 1024 * 1024

_FOLDER_ENDING = ".dist-info"


class Heavy(Exception):
    """To read this archive takes more than was to be read at once."""


def invalid(sentence: str) -> Refused:
    """Build the refusal of an archive; `sentence` goes on from "the archive"."""
    return refuse(Code.ARCHIVE_INVALID, f"the archive {sentence}")


def plain(name: str) -> str:
    """Return where a member ends up below the folder into which an archive is unpacked, without a final slash."""
    path = posixpath.normpath("/" + name.replace("\\", "/"))
    # normpath keeps two slashes at the front, as POSIX wants, and swallows what climbs above the root; so may a reader.
    return path.lstrip("/")


@dataclass(slots=True)
class Lookout:
    """Is shown the name of every member of one archive, in order, and says which one is the metadata."""

    artifact: Artifact
    found: bool = False
    _folder: str | None = field(default=None, repr=False)

    @property
    def wanted(self) -> str:
        """The name of the metadata inside its folder."""
        return "METADATA" if self.artifact.filetype is Filetype.WHEEL else "PKG-INFO"

    def sees(self, name: str) -> bool:
        """Whether this member is the metadata; raise `Refused` where it makes the answer depend on the reader."""
        # Most members of a wheel are in no such folder, however their names are read.
        if self.artifact.filetype is Filetype.WHEEL and _FOLDER_ENDING not in name.casefold():
            return False
        folder, _, rest = plain(name).partition("/")
        if self.artifact.filetype is Filetype.WHEEL and not folder.casefold().endswith(_FOLDER_ENDING):
            return False
        if folder == "":  # the folder that it is unpacked into: `./`
            return False
        if self._folder is None:
            self._folder = self._agreeing(folder)
        elif folder != self._folder:
            kind = f"folders that end in {_FOLDER_ENDING}" if self.wanted == "METADATA" else "folders at its top"
            raise invalid(f"has two {kind}, {quoted(self._folder)} and {quoted(folder)}: it takes exactly one")
        if rest.casefold() != self.wanted.casefold():
            return False
        if self.found:
            raise invalid(f"has its {self.wanted} twice, the second time as {quoted(name)}: it takes exactly one")
        if name.removeprefix("./") != f"{folder}/{self.wanted}":
            raise invalid(f"spells its {self.wanted} as {quoted(name)}: it takes {quoted(f'{folder}/{self.wanted}')}")
        self.found = True
        return True

    def finish(self) -> None:
        """Raise `Refused` unless the metadata was seen."""
        if not self.found:
            folder = self._folder or ("NAME-VERSION" + (_FOLDER_ENDING if self.wanted == "METADATA" else ""))
            raise invalid(f"has no {quoted(f'{folder}/{self.wanted}')}, which names its project and version")

    def _agreeing(self, folder: str) -> str:
        stem = folder.removesuffix(_FOLDER_ENDING) if self.wanted == "METADATA" else folder
        # Older tools leave the name as it is written, `Foo.Bar-1.0`, so the last hyphen divides.
        raw_name, _, raw_version = stem.rpartition("-")
        try:
            if project_name(raw_name) == self.artifact.project and same_version(raw_version, self.artifact.version):
                return folder
        except Refused:
            pass
        raise refuse(
            Code.MISMATCH,
            f"the archive keeps its {self.wanted} in {quoted(folder)} and its filename says "
            f"{quoted(f'{self.artifact.project} {self.artifact.version}')}: both must name one project and version",
        )
