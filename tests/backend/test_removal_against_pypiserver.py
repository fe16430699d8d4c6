"""A delete hits the files of its release and no other: our plan, carried out by pypiserver's own reading of names.

A naive plan, the client's own spelling sent on, is the control: the same check finds what it misses, and what it hits.
"""

import io
import warnings
from contextlib import redirect_stderr
from html import escape
from urllib.parse import parse_qs, quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from authproxy.backend.flavour import Removal
from authproxy.backend.pypiserver import removal
from authproxy.domain.names import ProjectName, artifact, project_name, same_version, version_text
from authproxy.domain.refusal import Code, Refused
from tests.backend.filenames import hostile_names

with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
    warnings.simplefilter("ignore")
    from pypiserver.pkg_helpers import guess_pkgname_and_version, normalize_pkgname

NAMES = st.sampled_from(["acme-core", "acme_core", "Acme.Core", "acme", "acme-core-1", "acme-core-2x", "victim"])
VERSIONS = st.sampled_from(["1.0", "1.0.0", "1", "1.0-2", "1.0.post2", "1.0+a", "2.0", "v1.0", "1.0a1", "2x-1.0"])
ENDINGS = st.sampled_from(
    [".tar.gz", ".zip", "-py3-none-any.whl", "-1-py3-none-any.whl", ".tar.gz.asc", ".TAR.GZ", ".tgz", "-py3.8.egg", ".egg",
     "-py3-none-any.whl.asc", ".tar.gz\xe9", "-py3-none-\xe9.whl", " .zip", ".exe"]
)  # fmt: skip
FILES = st.sets(st.builds("{}-{}{}".format, NAMES, VERSIONS, ENDINGS) | hostile_names, max_size=12)
RELEASES = st.tuples(
    NAMES.map(project_name), st.sampled_from(["1.0", "1", "1.0.post2", "1.0+a", "2.0"]).map(version_text)
)


def page_of(project: ProjectName, held: set[str]) -> bytes:
    """The project's page as pypiserver's template writes it."""
    links = []
    for name in sorted(held):
        real = guess_pkgname_and_version(name)
        if real is not None and normalize_pkgname(real[0]) == project:
            path = f"/packages/{quote(name)}#sha256={'0' * 64}"
            links.append(f'<a href="{escape(path)}">{escape(name)}</a><br>')
    return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()


def carried_out(plan: Removal | None, held: set[str]) -> set[str]:
    """What the real `remove_pkg` deletes, by its own comparison: name and version, exactly."""
    gone: set[str] = set()
    for request in plan.requests if plan else ():
        form = parse_qs(request.body.decode(), strict_parsing=True)
        assert (request.method, request.target, form[":action"]) == ("POST", "/", ["remove_pkg"])
        pair = (form["name"][0], form["version"][0])
        gone |= {name for name in held if guess_pkgname_and_version(name) == pair}
    return gone


def packages_of(project: ProjectName, version: str, held: set[str]) -> set[str]:
    """The files that the packaging standards say are this release's."""
    found = set()
    for name in held:
        try:
            known = artifact(name)
        except Refused:
            continue
        real = guess_pkgname_and_version(name)
        if (
            known.project == project
            and same_version(known.version, version)
            and real
            and normalize_pkgname(real[0]) == project
        ):
            found.add(name)
    return found


def strays(project: ProjectName, version: str, gone: set[str]) -> set[str]:
    """Files among those deleted that the standards say are of another project or another release."""
    found = set()
    for name in gone:
        try:
            known = artifact(name.removesuffix(".asc"))
        except Refused:
            continue
        if known.project != project or not same_version(known.version, version):
            found.add(name)
    return found


@given(FILES, RELEASES)
@example({"acme-core-1.0-2.tar.gz"}, (ProjectName("acme-core"), "1.0.post2"))
@example(
    {"acme-core-1.0.tar.gz", "Acme_Core-1.0.0.tar.gz", "acme_core-1.0-1-py3-none-any.whl"},
    (ProjectName("acme-core"), "1.0"),
)
def test_a_delete_hits_its_release_and_no_other(held: set[str], release: tuple[ProjectName, str]) -> None:
    """Every package of the release in every spelling, or a refusal; never a file of another."""
    project, version = release
    try:
        plan = removal(page_of(project, held), "", project, version)
    except Refused:
        return  # a file that nobody can be sure of: what stops it stands below
    gone = carried_out(plan, held)
    assert strays(project, version, gone) == set()
    listed = {file.filename for file in plan.files} if plan else set()
    assert listed <= gone
    assert {name for name in packages_of(project, version, held) if name in gone} == listed


@pytest.mark.parametrize(
    ("held", "kept"),
    [
        pytest.param({"acme-core-1.0.tar.gz", "Acme_Core-1.0.0.tar.gz", "acme_core-1-py3-none-any.whl"}, set(), id="three spellings"),
        pytest.param({"acme_core-1.0-2-py3-none-any.whl", "acme_core-1.0.tar.gz.asc", "acme_core-1.0.tar.gz"}, set(), id="a build and a signature"),
        pytest.param({"acme-core-1.0.tar.gz", "acme-core-1.0.1.tar.gz", "acme-core-1.0.post1.tar.gz"}, {"acme-core-1.0.1.tar.gz", "acme-core-1.0.post1.tar.gz"}, id="other versions"),
        pytest.param({"acme-core-1.0.tar.gz", "acme-1.0.tar.gz", "victim-1.0.tar.gz", "acme-core-x-1.0.tar.gz"}, {"acme-1.0.tar.gz", "victim-1.0.tar.gz", "acme-core-x-1.0.tar.gz"}, id="other projects"),
        pytest.param({"acme-core-1.0.tar.gz", "acme-core-1.0-py3.8.egg"}, set(), id="an egg of the release"),
    ],
)  # fmt: skip
def test_what_goes_and_what_stays(held: set[str], kept: set[str]) -> None:
    """Release 1.0 of acme-core, by examples."""
    project = ProjectName("acme-core")
    for version in ("1", "1.0", "1.0.0"):
        assert held - carried_out(removal(page_of(project, held), "", project, version), held) == kept


@pytest.mark.parametrize(
    "stray",
    ["acme-core-1.0-py3-none-\xe9.whl", "acme-core-1.0-cp\xe9.zip"],
)
def test_a_file_of_no_sure_reading_stops_it(stray: str) -> None:
    """What pypiserver would delete along and nobody can be sure of is the operator's to move."""
    project, held = ProjectName("acme-core"), {"acme-core-1.0.tar.gz", stray}
    if guess_pkgname_and_version(stray) is None:
        pytest.skip("pypiserver does not list it")
    with pytest.raises(Refused) as caught:
        removal(page_of(project, held), "", project, "1.0")
    assert caught.value.denial.code is Code.MISMATCH


def test_the_check_catches_a_naive_plan() -> None:
    """The control: the client's own words sent on miss spellings, and by a build they hit another release."""
    held = {"Acme_Core-1.0.tar.gz", "acme_core-1.0-2-py3-none-any.whl"}
    naive = {name for name in held if guess_pkgname_and_version(name) == ("acme-core", "1.0")}
    assert naive != packages_of(ProjectName("acme-core"), "1.0", held)
    confused = {name for name in held if guess_pkgname_and_version(name) == ("acme_core", "1.0-2")}
    assert strays(ProjectName("acme-core"), version_text("1.0-2"), confused) == confused
