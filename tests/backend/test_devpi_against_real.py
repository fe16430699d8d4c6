"""Whatever we accept, the real devpi files under the project, release and index that were authorised (law 4).

The real code runs in this process: its checks of an upload's name, version and filename, its reading of a filename, its
router. Each check is also turned on naive proxies (one that goes by the filename, one that goes by the form, one that
looks how a path begins) and must catch them.
"""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from authproxy.backend.devpi import devpi, filing, guess
from authproxy.backend.flavour import match
from authproxy.backend.form import FilePart, Form
from authproxy.domain.refusal import Refused
from authproxy.web.reading import access_of
from tests.backend.devpi_reading import Stage, lands, splitbasename, stage
from tests.backend.filenames import AGREED, HOSTILE, hostile_names, near_honest

FLAVOUR = devpi(("team/dev", "team/prod"))


def accepted(name: str, version: str, filename: str) -> tuple[str, str] | None:
    """Project and version as the proxy authorises them, or None where it refuses."""
    filetype = "bdist_wheel" if filename.endswith(".whl") else "sdist"
    fields = (("name", name), ("version", version), ("filetype", filetype), (":action", "file_upload"))
    try:
        access = access_of(Form(fields, FilePart(filename, 1)), "0" * 64, FLAVOUR, "team/dev")
    except Refused:
        return None
    assert access.artifact is not None
    return access.artifact.project, access.artifact.version


def by_the_filename(_name: str, _version: str, filename: str) -> tuple[str, str] | None:
    """A control: a proxy that asks the packaging standards about the filename, as would do for pypiserver."""
    parse = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
    try:
        project, version = parse(filename)[:2]
    except ValueError:
        return None
    return project, str(version)


def by_equality(name: str, version: str, filename: str) -> tuple[str, str] | None:
    """A control: a proxy that compares names, and versions by PEP 440."""
    found = by_the_filename(name, version, filename)
    try:
        return (
            found if found and found[0] == canonicalize_name(name) and Version(version) == Version(found[1]) else None
        )
    except InvalidVersion:
        return None


def escapes(form: tuple[str, str, str], authorised: tuple[str, str] | None) -> bool:
    """Whether an authorised upload lands under another project or in another release."""
    landed = lands(*form)
    if authorised is None or landed is None:
        return False
    try:
        return landed[0] != authorised[0] or str(Version(landed[1])) != authorised[1]
    except InvalidVersion:
        return True


@st.composite
def uploads(draw: st.DrawFn) -> tuple[str, str, str]:
    """Name, version and filename that may fit: names are what the filename begins with, versions what it contains."""
    filename = draw(draw(st.sampled_from([near_honest, near_honest, hostile_names])))
    offsets = st.integers(0, len(filename))
    end, cuts = draw(offsets), sorted((draw(offsets), draw(offsets)))
    whole = by_the_filename("", "", filename) or ("foo", "1.0")
    name = draw(st.sampled_from([whole[0], whole[0].upper(), filename[:end], filename.partition("-")[0]]))
    version = draw(st.sampled_from([whole[1], filename[slice(*cuts)], f"{whole[1]}.0", whole[1].replace(".0", "")]))
    return name, version, filename


@given(uploads())
def test_no_accepted_upload_lands_elsewhere(form):
    """Whatever of it we accept, devpi files under that project, in a release of exactly that version."""
    assert not escapes(form, accepted(*form))


@given(uploads())
def test_our_filing_is_the_real_one(form):
    """On all that a form of ours can hold, we say where devpi puts it, and that it refuses what it refuses."""
    name, version, filename = form
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", name) or not filename.isascii():
        return  # such names are nobody's project, and such filenames end in the form
    if not re.fullmatch(r"[A-Za-z0-9.!+_-]+", version) or not re.fullmatch(r"[A-Za-z0-9._+!-]+", filename):
        return
    assert filing(*form) == lands(*form)


@pytest.mark.parametrize(
    ("form", "naive"),
    [
        pytest.param(("vic", "9.9", "victim-9.9.tar.gz"), by_the_filename, id="a name that the filename begins with"),
        pytest.param(("foo", "0", "foo-1.0.tar.gz"), by_the_filename, id="a version that the filename contains"),
        pytest.param(("foo", "1.0", "foo-1.0.0.tar.gz"), by_equality, id="an equal version, another release"),
        pytest.param(("foo", "1.0", "foo-1.0.0-py3-none-any.whl"), by_equality, id="the same in a wheel"),
    ],
)
def test_the_check_catches_a_naive_proxy(form, naive):
    """The control: the same check fails proxies that go by less."""
    assert escapes(form, naive(*form))
    assert accepted(*form) is None


@pytest.mark.parametrize("naive", [by_the_filename, by_equality])
def test_generated_uploads_catch_a_naive_proxy(naive):
    """The control of the generator: among what it makes are uploads by which naive proxies lose a project or a release."""
    found: list[tuple[str, str, str]] = []

    @settings(max_examples=500, derandomize=True)
    @given(uploads())
    def search(form: tuple[str, str, str]) -> None:
        if escapes(form, naive(*form)):
            found.append(form)

    search()
    assert found != []


@pytest.mark.parametrize("filename", [row[0] for row in AGREED if by_the_filename("", "", row[0])])
def test_honest_uploads_pass(filename):
    """What clients send: the name in its normal form, the version as the filename has it."""
    project, version = by_the_filename("", "", filename)
    raw = (
        filename.split("-")[1]
        if filename.endswith(".whl")
        else filename.removesuffix(".zip").removesuffix(".tar.gz").rpartition("-")[2]
    )
    assert accepted(project, raw, filename) == (project, version)
    assert lands(project, raw, filename) == (project, raw)


@given(hostile_names)
def test_our_reading_is_the_real_one(filename):
    """On everything that may stand in a path, our `guess` says what devpi's `splitbasename` says."""
    try:
        real = splitbasename(filename)[:2]
    except ValueError:
        real = None
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+!-]*", filename) is None:
        assert guess(filename) is None
        return
    assert guess(filename) == real


@pytest.mark.parametrize("filename", [*(p.values[0] for p in HOSTILE), *(row[0] for row in AGREED), "x-1.0.doc.zip", "x-1.0-1.noarch.rpm", "x-1.0.deb", "x-1.0.linux-x86_64.tar.gz"])  # fmt: skip
def test_our_reading_is_the_real_one_on_known_names(filename):
    """Endings of other archives, too, since mirrors have them."""
    if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._+!-]*", filename) is None:
        assert guess(filename) is None
        return
    try:
        assert guess(filename) == splitbasename(filename)[:2]
    except ValueError:
        assert guess(filename) is None


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Stage:
    """A devpi of this module's own."""
    with stage(tmp_path_factory.mktemp("devpi") / "server") as running:
        yield running


def index_of(found: dict[str, str]) -> str:
    """The index that devpi takes it for, as its view strips slashes."""
    return f"{found.get('user', '').rstrip('/')}/{found.get('index', '').rstrip('/')}"


segments = st.sampled_from(
    ["team", "dev", "prod", "Team", "+api", "+simple", "+f", "%2Bf", "+e", "+login", "acme", "Acme.Core", "1.0", "24d", "958b7edb4ffef",
     "acme-1.0.zip", "a", ".", "..", "%2e%2e", "%2f", "%2Fprod", "team%2fdev", ";x", "", "refresh", "dev%2f", "%70rod", "+status", "d%65v"]
)  # fmt: skip
targets = st.builds(
    lambda prefix, parts, tail: prefix + "/".join(parts) + tail,
    st.sampled_from(["/", "/team/", "/team/dev/", "/team/dev/", "//"]),
    st.lists(segments, max_size=4),
    st.sampled_from(["", "", "/", "//", "?ignore_bases=", "?no_projects=", ".metadata"]),
)


@given(targets, st.sampled_from(["GET", "HEAD"]))
def test_the_route_table_agrees_with_the_real_router(real, target, method):
    """What our table passes on as a question about an index and a project, devpi takes for one about the same."""
    try:
        asked = match(FLAVOUR, method, target)
    except Refused:
        return
    name, found = real.route(method, target)
    assert name
    if asked.index == "*":
        assert "index" not in found
        return
    assert index_of(found) == asked.index
    if "project" in found:
        assert asked.project == canonicalize_name(found["project"].rstrip("/"))
    elif "relpath" not in found:
        assert asked.project is None


ELSEWHERE = [
    "/team/dev/../prod/", "/team/dev/%2e%2e/prod/", "/team/dev/..%2fprod/", "/team/./prod/", "//team/prod/", "/team//prod/", "/team/prod//",
    "/team%2fprod/", "/team/%70rod/", "/team/prod%2f", "/team/dev/;/../prod", "/team/dev;/", "/team/dev/?x=1", "/team/dev?", "/team/dev#", "/Team/dev/",
    "/team/dev%00/", "/team/dev%20/", "/team/dev/ ", "/team\\dev/", "http://localhost/team/dev/", "/team/dev/+f/", "/team/dev/acme/", "/team/", "/",
]  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE)
def test_an_upload_has_one_spelling_of_its_index(target):
    """With the final slash or without; whatever else devpi would take for an index is no upload to us."""
    assert target not in FLAVOUR.uploads


@given(targets)
def test_an_upload_goes_to_the_index_that_it_was_authorised_for(real, target):
    """Each target of our table is that index to devpi as well, and so is the one that we send it to."""
    for each in {target} & set(FLAVOUR.uploads):
        assert index_of(real.route("POST", each)[1]) == FLAVOUR.uploads[each]
    for each in FLAVOUR.indexes:
        assert index_of(real.route("POST", FLAVOUR.target(each))[1]) == each


def test_other_spellings_reach_another_index(real):
    """The control: a proxy that looks how a decoded path begins, or takes escapes as they are, loses an index."""
    assert index_of(real.route("POST", "/team/%70rod/")[1]) == "team/prod"
    assert index_of(real.route("POST", "/team%2fprod/")[1]) == "team/prod"
    assert index_of(real.route("POST", "/team/prod%2f")[1]) == "team/prod"
