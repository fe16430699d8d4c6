"""What is asked: put together from options, and refused where it contradicts itself."""

import click
import pytest

from authproxy.cli.policyquestion import read_question
from authproxy.domain.names import artifact, project_name

NOTHING = {"source": None, "version": None, "artifact": None, "size": None, "address": None, "index": None}


def test_a_question_says_itself() -> None:
    """Action, project and version, from the file where none was named."""
    file = artifact("acme_core-1.2-py3-none-any.whl")
    asked = read_question("upload", project_name("acme-core"), None, **(NOTHING | {"artifact": file}))
    assert str(asked) == "upload acme-core 1.2"
    assert str(read_question("read", None, None, **NOTHING)) == "read the list of all projects"


@pytest.mark.parametrize(
    ("filetype", "changes", "words"),
    [
        ("sdist", {"artifact": "acme_core-1.2-py3-none-any.whl"}, "is of the type wheel, not sdist"),
        (None, {"artifact": "acme_web-1.2.tar.gz"}, "is of the project 'acme-web', not acme-core"),
        (None, {"artifact": "acme_core-1.2.tar.gz", "version": "1.3"}, "is of version 1.2, not 1.3"),
    ],
)
def test_a_question_that_contradicts_itself(filetype: str | None, changes: dict[str, str], words: str) -> None:
    """The proxy would refuse such a form, whoever sends it."""
    asked = NOTHING | changes | {"artifact": artifact(changes["artifact"])}
    with pytest.raises(click.UsageError, match=words):
        read_question("upload", project_name("acme-core"), filetype, **asked)
