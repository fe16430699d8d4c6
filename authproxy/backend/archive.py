"""The name and version that a wheel or an sdist states inside itself, read without trusting it.

Nothing is ever unpacked to disk. What is guaranteed of a file that passes:

wheel  Its central directory and its local headers describe the same members, each once, and nothing else is in the
       file; so a reader that goes by the directory (pip) and one that goes from header to header (uv) find the same
       METADATA, and only one. Members other than METADATA are not unpacked: a bomb among them is the installer's.
sdist  Every member of the tar has been seen, to its end; so exactly one PKG-INFO stands in its one top folder, no link
       leads to it, and nothing unpacked later replaces it. Nested `*.egg-info/PKG-INFO` are not looked at. What a
       build backend would say when the sdist is built is out of reach; pip and uv compare that themselves.
both   That one file names, once, the project and version of the filename.

It costs the time to unpack an sdist (see `tarmembers`), and next to nothing for most wheels. Small ones are read at
once, and everything else in a thread.
"""

from typing import BinaryIO

from authproxy.backend import tarmembers, zipmembers
from authproxy.backend.coremetadata import name_and_version
from authproxy.backend.members import Heavy, Lookout
from authproxy.domain.names import Artifact, ProjectName, same_version
from authproxy.domain.refusal import Code, quoted, refuse


def metadata_of(file: BinaryIO, artifact: Artifact, *, at_once: bool = False) -> tuple[ProjectName, str]:
    """Return the project and canonical version that the metadata inside states; they are those of the filename.

    `file` is seekable; its position is not kept. Raises Heavy where it is to be read `at_once` and would take longer
    than it takes to hand it to a thread. Raises Refused: archive-invalid for what is no archive, or one that
    two readers could read differently; name-invalid for metadata that names nothing; mismatch for another project or
    version.
    """
    lookout = Lookout(artifact)
    if not artifact.filename.endswith(".tar.gz"):
        content = zipmembers.read(file, lookout, at_once=at_once)
    elif at_once:
        raise Heavy
    else:
        content = tarmembers.read(file, lookout)
    name, version = name_and_version(content)
    if name != artifact.project or not same_version(version, artifact.version):
        raise refuse(
            Code.MISMATCH,
            f"the {lookout.wanted} inside says {quoted(f'{name} {version}')} and the filename "
            f"{quoted(f'{artifact.project} {artifact.version}')}: both must name the same project and version",
        )
    return name, version
