"""The real pypiserver reads from what we write exactly what we decoded, and from what we accept nothing else either.

Differential: one checker (`harm`) looks at what pypiserver's own code did to its files after a proxy let an upload
through. It runs on ours, which must never do harm, and on careless proxies, each of which it must catch.
"""

from collections.abc import Callable

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from authproxy.backend.form import Form
from authproxy.domain.refusal import Refused
from tests.backend.attacks import ATTACKS, CARELESS, DASHED, HELD, HIDDEN, Passed
from tests.backend.hostile import HOSTILE
from tests.backend.index_reading import Index, Reading, index_reads
from tests.backend.test_encoding import OURS, whole
from tests.backend.test_form_properties import ONE_EACH, forms
from tests.backend.uploads import CONTENT_TYPE, FILE, Upload, captured, decode, honest
from tests.peers.forms import Part

# aiohttp says so when it gives up on a Content-Disposition, and then goes on without it.
pytestmark = pytest.mark.filterwarnings(
    "ignore::aiohttp.BadContentDispositionHeader", "ignore::aiohttp.BadContentDispositionParam"
)


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Index:
    """A pypiserver of this module's own."""
    return Index(tmp_path_factory.mktemp("pypiserver") / "packages")


def stored_of(form: Form, content: bytes) -> dict[str, bytes]:
    """The files that a form means to store."""
    return {form.content.filename: content, **dict([form.signature] if form.signature else [])}


def ours(upload: Upload) -> Passed | None:
    """What the form room lets through: our own bytes, or nothing."""
    try:
        form, content = decode(upload)
    except Refused:
        return None
    return Passed(stored_of(form, content), whole(form, content))


def harm(proxy: Callable[[Upload], Passed | None], upload: Upload, index: Index) -> str | None:
    """What the index did beyond storing the files that the proxy believed to be sending; None for nothing."""
    if (passed := proxy(upload)) is None:
        return None
    index.start_over(HELD)
    status = index.post(passed.request)
    found = index.files()
    if found in (HELD, {**HELD, **passed.files}):
        return None
    return f"{status}: {found} where {passed.files} was believed"


def reading_of(upload: Upload) -> Reading:
    """Our own reading of a form, as the index's is told."""
    form, content = decode(upload)
    files = {"content": ((form.content.filename, content),)}
    if form.signature is not None:
        files["gpg_signature"] = (form.signature,)
    return Reading({name: form.all(name) for name, _ in form.fields}, files)


@captured
def test_the_index_reads_a_captured_upload_as_we_do(upload):
    """Every field, the file and the signature, from the client's bytes and from ours."""
    form, content = decode(upload)
    assert index_reads(whole(form, content)) == index_reads(upload) == reading_of(upload)


@given(forms())
def test_the_index_reads_from_our_encoding_what_we_meant(made):
    """Any form at all: exact values, exact bytes, one :action, nothing besides."""
    upload = whole(*made)
    assert index_reads(upload) == reading_of(upload)


@pytest.mark.parametrize("upload", ONE_EACH.values(), ids=ONE_EACH)
def test_the_index_stores_what_was_sent(upload, real):
    """Through its whole application: one file more, with the bytes of the client's."""
    form, content = decode(upload)
    real.start_over(HELD)
    assert real.post(whole(form, content)).startswith("200")
    assert real.files() == {**HELD, **stored_of(form, content)}


@pytest.mark.parametrize(("upload", "beaten"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack_that_beats_a_careless_proxy_ends_here(upload, beaten, real):
    """The checker sees the harm done through the careless proxy, and none through ours, which refuses."""
    assert harm(CARELESS[beaten], upload, real) is not None
    assert ours(upload) is None


@pytest.mark.parametrize("proxy", CARELESS.values(), ids=CARELESS)
def test_a_careless_proxy_works_for_the_honest(proxy, real):
    """Negative control of the negative controls: they let an honest upload through, and the index has it then."""
    assert harm(proxy, honest(), real) is None
    assert harm(ours, honest(), real) is None
    assert real.files() == {**HELD, FILE.filename: FILE.value}


GRIT = [
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b"\0", b'"', b"'", b";", b"\\", b"%22", b"*", b"=", b"-", b"--", b":", b"\xff",
    DASHED, DASHED + b"\r\n", DASHED + b"\n", DASHED + b"--", b"\r\n" + DASHED, b"\n" + DASHED, b"\n" + DASHED + b"\n",
    b"; name*=x", b"name", b"content", b"\r\nContent-Length: 5", b"\r\nContent-Transfer-Encoding: base64", b"\r\n folded",
    b"\r\nContent-Type: multipart/mixed; boundary=x", b"victim-1.0.tar.gz", b"remove_pkg", b"",
]  # fmt: skip
WEAPONS = [
    b"\r\n" + DASHED + b"\r\n" + HIDDEN,
    b"\n" + DASHED + b"\n" + HIDDEN,
    DASHED + b"\r\n" + HIDDEN,
    b"\r\n" + DASHED + b" \r\n" + HIDDEN,
    b"\r\n" + DASHED + b'\r\nContent-Disposition: form-data; name=":action"\r\n\r\nremove_pkg',
    b'; filename="victim-1.0.tar.gz"',
    b"; filename*=UTF-8''victim-1.0.tar.gz",
    b"\r\nContent-Type: application/x-www-form-urlencoded",
]
PROSE = b"A line.\r\nAnother; one: with=-- marks.\n\r\n--\r\n" * 8
ROOMY = honest(Part("description", PROSE), Part("gpg_signature", PROSE, f"{FILE.filename}.asc")).body
HONEST = [honest().body, honest(Part("version", b"0.9")).body]
SEEDS = [*HONEST, *[ROOMY] * 20, *(upload.body for upload, _ in ATTACKS.values())]
TYPES = [CONTENT_TYPE] * 20 + [
    CONTENT_TYPE + "; boundary=x",
    CONTENT_TYPE.replace("form-data", "mixed"),
    CONTENT_TYPE + " ",
]


@st.composite
def mutated(draw: st.DrawFn, seeds: list[bytes]) -> Upload:
    """One of these bodies with bytes put in, taken out or replaced, mostly where lines begin and end."""
    body = draw(st.sampled_from(seeds))
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        edges = [at for at, byte in enumerate(body) if byte in b'\r\n";:-='] + [len(body)]
        start = draw(st.sampled_from(edges) | st.integers(0, len(body)))
        end = start + draw(st.sampled_from([0, 0, 0, 1, 2, 5, 20]))
        body = body[:start] + draw(st.sampled_from(GRIT + WEAPONS)) + body[end:]
    return Upload(body, draw(st.sampled_from(TYPES)))


@settings(max_examples=6 * settings.default.max_examples)
@given(upload=mutated(SEEDS))
def test_what_we_accept_has_one_reading(upload, real):
    """Of forms that went through the mill we take one in seven; those the index reads as we do, ours and theirs."""
    passed = ours(upload)
    if passed is not None:
        assert index_reads(passed.request) == reading_of(upload)
        assert index_reads(upload) == reading_of(upload)
        assert harm(ours, upload, real) is None


@pytest.mark.parametrize("beaten", CARELESS)
def test_the_same_mill_beats_a_careless_proxy(beaten, real):
    """Negative control: from honest forms the mill makes some that harm every careless proxy, and the checker sees it."""
    patient = settings(max_examples=20_000, phases=[Phase.generate], derandomize=True)
    assert find(mutated(HONEST), lambda upload: harm(CARELESS[beaten], upload, real) is not None, settings=patient)


def test_the_mill_also_makes_forms_that_we_accept():
    """Were everything refused, the property above would say nothing: one in twenty at least is not."""
    accepted = []

    @settings(max_examples=300, derandomize=True)
    @given(mutated(SEEDS))
    def grind(upload: Upload) -> None:
        accepted.append(ours(upload) is not None)

    grind()
    assert sum(accepted) * 20 >= len(accepted)


@pytest.mark.parametrize("upload", HOSTILE.values(), ids=HOSTILE)
def test_a_refused_form_goes_no_further(upload):
    """Nothing of a hostile form is encoded."""
    assert ours(upload) is None


def stored_by_halves(upload: Upload, filename: str, content: bytes, index: Index) -> list[int]:
    """Where a body may break off so that the index stores a file of its name with other bytes."""
    found = []
    for cut in range(len(upload.body)):
        index.start_over(HELD)
        index.post(Upload(upload.body[:cut], upload.content_type), announced=len(upload.body))
        if index.files() not in (HELD, {**HELD, filename: content}):
            found.append(cut)
    return found


def test_a_body_that_breaks_off_is_never_stored_by_halves(real):
    """Cut at every byte: our order has :action last, so the index stores the whole file or nothing."""
    form, content = decode(honest())
    assert stored_by_halves(whole(form, content), form.content.filename, content, real) == []


def test_in_a_clients_order_it_would_be_stored_by_halves(real):
    """Negative control: twine's order has :action before the file, and a cut within the file leaves a torn package."""
    form, content = decode(honest())
    torn = stored_by_halves(honest(), form.content.filename, content, real)
    assert len(torn) >= len(content) - 1


def test_the_index_garbles_long_lines_of_text_and_nothing_else():
    """FieldStorage reads 64 KiB at a time and decodes each piece: known, its own, and out of reach of what matters.

    Fields of consequence are shorter than that by their limits (attestations are ASCII); a README with such a line is
    garbled with and without us.
    """
    upload = honest(Part("description", b"x" + "é".encode() * 40_000))
    form, content = decode(upload)
    expected, found = reading_of(upload), index_reads(whole(form, content))
    assert found.fields["description"] != expected.fields["description"]
    assert {**found.fields, "description": expected.fields["description"]} == expected.fields
    assert found.files == expected.files
    assert index_reads(upload) == found
    assert OURS not in found.fields["description"][0]
