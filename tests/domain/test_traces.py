"""The header `traceparent`: what W3C Trace Context says is one, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.traces import LIMIT, Trace, read_trace, write_trace

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"  # of the specification


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        pytest.param(f"00-{TRACE}-{SPAN}-01", True, id="the example of the specification"),
        pytest.param(f"00-{TRACE}-{SPAN}-00", False, id="not sampled"),
        pytest.param(f"00-{TRACE}-{SPAN}-03", True, id="a flag of the second level"),
        pytest.param(f"00-{TRACE}-{SPAN}-fe", False, id="flags that nobody knows"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01", True, id="a later version"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", True, id="a later version that goes on"),
    ],
)
def test_what_is_one(header: str, sampled: bool) -> None:
    """The ids come through; what goes on is of version 00, with no flag but the one that is known."""
    found = read_trace(header)
    assert found == Trace(TRACE, SPAN, sampled)
    assert write_trace(found) == f"00-{TRACE}-{SPAN}-{'01' if sampled else '00'}"


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("", id="nothing"),
        pytest.param(f"ff-{TRACE}-{SPAN}-01", id="the version that is none"),
        pytest.param(f"00-{TRACE}-{SPAN}-01-more", id="more behind version 00"),
        pytest.param(f"00-{TRACE}-{SPAN}-01-", id="a hyphen behind version 00"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01.more", id="more of a later version without a hyphen"),
        pytest.param(f"00-{TRACE.upper()}-{SPAN}-01", id="upper case"),
        pytest.param(f"00-{'0' * 32}-{SPAN}-01", id="a trace of zeros"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", id="a parent of zeros"),
        pytest.param(f"00-{TRACE[:-1]}-{SPAN}-01", id="a short trace"),
        pytest.param(f"00-{TRACE}-{SPAN}0-01", id="a long parent"),
        pytest.param(f"00-{TRACE}-{SPAN}-1", id="a short flag"),
        pytest.param(f"00-{TRACE}-{SPAN}-0g", id="a flag that is no digit"),
        pytest.param(f"0-{TRACE}-{SPAN}-01", id="a short version"),
        pytest.param(f" 00-{TRACE}-{SPAN}-01", id="a space before"),
        pytest.param(f"00-{TRACE}-{SPAN}-01\n", id="a line break behind"),
        pytest.param(f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01", id="two in one"),
        pytest.param(f"00_{TRACE}_{SPAN}_01", id="other marks"),
        pytest.param(f"00-{chr(0x660) * 32}-{SPAN}-01", id="digits of another script"),
        pytest.param(f"cc-{TRACE}-{SPAN}-01-" + "x" * LIMIT, id="longer than a header"),
    ],
)
def test_what_is_none(header: str) -> None:
    """Not one of them goes on as somebody's trace."""
    assert read_trace(header) is None


@given(st.from_regex(r"[0-9a-f-]{50,60}", fullmatch=True) | st.text(max_size=70))
def test_whatever_is_read_is_written_again(header: str) -> None:
    """Of version 00 with known flags, the very header."""
    found = read_trace(header)
    if found is not None and header[:2] == "00" and header[-2:] in {"00", "01"}:
        assert write_trace(found) == header
