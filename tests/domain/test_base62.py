"""Numbers as keys write them."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from authproxy.domain.base62 import ALPHABET, CHECK_LENGTH, base62, check


@given(st.integers(min_value=0, max_value=62**43 - 1), st.integers(min_value=43, max_value=44))
def test_a_number_reads_back(number: int, width: int) -> None:
    """Of the width that was asked for, the highest digit first, whether that is odd or even."""
    text = base62(number, width)
    read = 0
    for digit in text:
        read = read * 62 + ALPHABET.index(digit)
    assert (len(text), read) == (width, number)


def test_the_check_is_the_crc_of_zlib() -> None:
    """Six digits of it."""
    assert check("apx_1") == base62(zlib.crc32(b"apx_1"), CHECK_LENGTH)
    assert len(check("")) == CHECK_LENGTH
