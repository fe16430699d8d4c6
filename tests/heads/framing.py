"""Where a body ends: the table of requests that two readers could cut at different places."""

from tests.heads.case import AUTH, BODY, FORM, HOST, INNER, Head, Reach, get, head, latin, post

# The marks of `INNER` are filled in later and change its length, so lengths are written as marks too: @N@ is the length
# of the whole body, @SIZE@ that of INNER in hexadecimal digits (`scene.filled`).
ALL, NONE = "Content-Length: @N@", "Content-Length: 0"
CHUNK = b"@SIZE@\r\n" + INNER + b"\r\n0\r\n\r\n"
BEHIND_CHUNKS = b"0\r\n\r\n" + INNER

# How Transfer-Encoding may be written so that one reader sees it and another does not.
CODINGS: dict[str, str | bytes] = {
    "plain": "Transfer-Encoding: chunked",
    "capitals": "TRANSFER-ENCODING: CHUNKED",
    "mixed letters": "tRANSFER-eNCODING: cHuNkEd",
    "no space": "Transfer-Encoding:chunked",
    "a tab": "Transfer-Encoding:\tchunked",
    "many spaces": "Transfer-Encoding:     chunked   ",
    "a tab behind": "Transfer-Encoding: chunked\t",
    "a vertical tab": "Transfer-Encoding:\x0bchunked",
    "a form feed": "Transfer-Encoding: chunked\x0c",
    "a space before the colon": "Transfer-Encoding : chunked",
    "a tab before the colon": "Transfer-Encoding\t: chunked",
    "a space before the name": " Transfer-Encoding: chunked",
    "a NUL in the name": "Transfer-Encoding\x00: chunked",
    "a NUL behind": "Transfer-Encoding: chunked\x00",
    "a letter before": "Transfer-Encoding: xchunked",
    "a letter behind": "Transfer-Encoding: chunkedx",
    "quotes": 'Transfer-Encoding: "chunked"',
    "single quotes": "Transfer-Encoding: 'chunked'",
    "a parameter": "Transfer-Encoding: chunked;q=1",
    "a soft hyphen": "Transfer-Encoding: ch\xadunked",
    "a non-breaking space": "Transfer-Encoding:\xa0chunked",
    "identity": "Transfer-Encoding: identity",
    "identity behind": "Transfer-Encoding: chunked, identity",
    "identity before": "Transfer-Encoding: identity, chunked",
    "twice in one": "Transfer-Encoding: chunked, chunked",
    "twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    "an unknown one before": "Transfer-Encoding: cow, chunked",
    "an unknown one behind": "Transfer-Encoding: chunked, cow",
    "an unknown one in a line before": "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
    "an unknown one in a line behind": "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
    "gzip before": "Transfer-Encoding: gzip, chunked",
    "gzip alone": "Transfer-Encoding: gzip",
    "a comma before": "Transfer-Encoding: ,chunked",
    "a comma behind": "Transfer-Encoding: chunked,",
    "empty": "Transfer-Encoding:",
    "folded": "Transfer-Encoding:\r\n chunked",
    "folded with a tab": "Transfer-Encoding:\r\n\tchunked",
    "folded in the middle": "Transfer-Encoding: chunk\r\n ed",
    "behind a bare LF": "X-A: b\nTransfer-Encoding: chunked",
    "behind a bare CR": "X-A: b\rTransfer-Encoding: chunked",
    "behind CR CR LF": "X-A: b\r\r\nTransfer-Encoding: chunked",
    "behind an empty name": ": b\r\nTransfer-Encoding: chunked",
    "behind a line without a colon": "X-A\r\nTransfer-Encoding: chunked",
    "beyond ASCII in the name": "Transfer-Encodin\xe7: chunked",
    "an underscore": "Transfer_Encoding: chunked",
    "another header": "X-Transfer-Encoding: chunked",
    "TE": "TE: chunked",
    "as a content coding": "Content-Encoding: chunked",
}

# How a length may be written; @N@ is the length of what follows, which is a request.
LENGTHS: dict[str, str | bytes] = {
    "twice, the same": "Content-Length: @N@\r\nContent-Length: @N@",
    "twice, zero first": "Content-Length: 0\r\nContent-Length: @N@",
    "twice, zero last": "Content-Length: @N@\r\nContent-Length: 0",
    "twice, in other letters": "Content-Length: @N@\r\ncontent-length: 0",
    "a list of the same": "Content-Length: @N@, @N@",
    "a list": "Content-Length: @N@, 0",
    "a list without a space": "Content-Length: 0,@N@",
    "a comma behind": "Content-Length: @N@,",
    "two numbers": "Content-Length: @N@ 0",
    "a plus": "Content-Length: +@N@",
    "a minus": "Content-Length: -@N@",
    "minus zero": "Content-Length: -0",
    "hexadecimal": "Content-Length: 0x@SIZE@",
    "a point": "Content-Length: @N@.0",
    "an exponent": "Content-Length: @N@e0",
    "an underscore": "Content-Length: 1_0",
    "quotes": 'Content-Length: "@N@"',
    "letters behind": "Content-Length: @N@abc",
    "a vertical tab": "Content-Length: \x0b@N@",
    "a form feed behind": "Content-Length: @N@\x0c",
    "a NUL behind": "Content-Length: @N@\x00",
    "a non-breaking space": "Content-Length: \xa0@N@",
    "Arabic digits": "Content-Length: \N{ARABIC-INDIC DIGIT ONE}".encode(),
    "empty": "Content-Length:",
    "empty and then a number": "Content-Length:\r\nContent-Length: @N@",
    "a number beyond 64 bits": "Content-Length: 18446744073709551616",
    "a number beyond 63 bits": "Content-Length: 9223372036854775808",
    "a number beyond 32 bits": "Content-Length: 4294967296",
    "thirty digits": "Content-Length: " + "9" * 30,
    "a space before the colon": "Content-Length : @N@",
    "a tab before the colon": "Content-Length\t: @N@",
    "a space before the name": " Content-Length: @N@",
    "a NUL in the name": "Content-Length\x00: @N@",
    "folded": "Content-Length:\r\n @N@",
    "folded in the middle": "Content-Length: @N@\r\n 0",
    "behind a bare LF": "X-A: b\nContent-Length: @N@",
    "behind a bare CR": "X-A: b\rContent-Length: @N@",
}

# What may stand in chunks; the request inside is a part of a chunk to some and the next request to others.
CHUNKS: dict[str, bytes] = {
    "an extension": b"@SIZE@;a=b\r\n" + INNER + b"\r\n0\r\n\r\n",
    "an extension of 10 KB": b"@SIZE@;" + b"a" * 10_000 + b"\r\n" + INNER + b"\r\n0\r\n\r\n",
    "an extension with a bare LF": b"2;a\nxx\r\n@SIZE@\r\n0\r\n\r\n" + INNER,
    "an extension with a bare CR": b"2;a\rxx\r\n@SIZE@\r\n0\r\n\r\n" + INNER,
    "an extension with a NUL": b"2;\x00\r\nxx\r\n0\r\n\r\n",
    "an extension in quotes with a line end": b'2;a="\r\nxx"\r\n0\r\n\r\n' + INNER,
    "a space before the extension": b"2 ;a\r\nxx\r\n0\r\n\r\n",
    "a space before the size": b" 2\r\nxx\r\n0\r\n\r\n" + INNER,
    "a space behind the size": b"2 \r\nxx\r\n0 \r\n\r\n",
    "a tab behind the size": b"2\t\r\nxx\r\n0\r\n\r\n" + INNER,
    "a size with a plus": b"+2\r\nxx\r\n0\r\n\r\n" + INNER,
    "a size with a minus": b"-2\r\nxx\r\n0\r\n\r\n" + INNER,
    "a size with 0x": b"0x2\r\nxx\r\n0\r\n\r\n" + INNER,
    "a size with an underscore": b"0_2\r\nxx\r\n0\r\n\r\n" + INNER,
    "a size that is no number": b"xyz\r\nxx\r\n0\r\n\r\n" + INNER,
    "an empty size": b"\r\nxx\r\n0\r\n\r\n" + INNER,
    "a size beyond 64 bits": b"10000000000000002\r\nxx\r\n0\r\n\r\n" + INNER,
    "a size of a hundred zeros": b"0" * 100 + b"2\r\nxx\r\n0\r\n\r\n",
    "a size that ends in LF": b"2\nxx\r\n0\r\n\r\n" + INNER,
    "a size that ends in CR": b"2\rxx\r\n0\r\n\r\n" + INNER,
    "a chunk longer than its size": b"2\r\nxxxx\r\n0\r\n\r\n" + INNER,
    "a chunk without its line end": b"2\r\nxx0\r\n\r\n" + INNER,
    "a chunk that ends in LF": b"2\r\nxx\n0\r\n\r\n" + INNER,
    "chunks that all end in LF": b"2\nxx\n0\n\n" + INNER,
    "no last chunk": b"2\r\nxx\r\n",
    "a last chunk of many zeros": b"2\r\nxx\r\n0000\r\n\r\n",
    "a trailer": b"2\r\nxx\r\n0\r\nX-A: evil\r\n\r\n",
    "a trailer that is a credential": b"2\r\nxx\r\n0\r\nAuthorization: evil\r\n\r\n",
    "a trailer that is a length": b"2\r\nxx\r\n0\r\nContent-Length: 500\r\n\r\n",
    "a trailer that is a coding": b"2\r\nxx\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a trailer that is no header": b"2\r\nxx\r\n0\r\n" + INNER,
    "a trailer that ends in LF": b"2\r\nxx\r\n0\r\nX-A: b\n\n" + INNER,
}

# To nobody a framing: what is behind the length is not even ambiguous.
_NO_FRAMING = {"an underscore", "another header", "TE", "as a content coding"}


def _table() -> list[Head]:
    # With chunks no read and no upload passes us. A web server in front may have put a length in their place.
    found = []
    for how, coding in CODINGS.items():
        raw = post(ALL, coding, body=BEHIND_CHUNKS)
        found.append(Head(f"a length and then a coding: {how}", raw))
        if how in _NO_FRAMING:
            continue
        found.append(Head(f"a coding and then a length: {how}", post(coding, "Content-Length: 4", body=CHUNK)))
        found.append(Head(f"a coding on a read: {how}", get(coding, ALL, body=BEHIND_CHUNKS), behind=Reach.PAGE))
    for how, length in LENGTHS.items():
        found.append(Head(f"a length: {how}", post(length, body=INNER)))
        found.append(Head(f"a length on a read: {how}", get(length, body=INNER), behind=Reach.PAGE))
    for how, chunks in CHUNKS.items():
        found.append(Head(f"chunks: {how}", post("Transfer-Encoding: chunked", body=chunks)))
    return found


def _old() -> list[Head]:
    """HTTP/1.0, which knows no chunks, and what is left of a body."""
    first, chunked = b"POST @UP@ HTTP/1.0", latin("Transfer-Encoding: chunked")
    return [
        Head("HTTP/1.0 with chunks", head(first, HOST, AUTH, FORM, chunked, body=CHUNK)),
        Head("HTTP/1.0 with chunks and a length", head(first, HOST, AUTH, FORM, chunked, ALL, body=BEHIND_CHUNKS)),
        Head(
            "HTTP/1.0 kept alive with chunks",
            head(first, HOST, AUTH, FORM, "Connection: keep-alive", chunked, body=CHUNK),
        ),
        Head("HTTP/1.0 without a length", head(first, HOST, AUTH, FORM, body=BODY)),
        Head("no framing before a body", post(body=BODY)),
        Head("a body behind a length of zero", post(NONE, body=BODY)),
        Head("a body on a read", get(ALL, body=INNER), behind=Reach.PAGE),
        Head("half a body", post("Content-Length: 5000", body=INNER)),
        Head("a read whose body never comes", get("Content-Length: 50"), behind=Reach.PAGE),
        Head("HEAD with a body", head("HEAD @PAGE@ HTTP/1.1", HOST, AUTH, ALL, body=INNER), behind=Reach.PAGE),
        Head(
            "HEAD with chunks",
            head("HEAD @PAGE@ HTTP/1.1", HOST, AUTH, ALL, chunked, body=BEHIND_CHUNKS),
            behind=Reach.PAGE,
        ),
        Head("DELETE with a body", head("DELETE @PAGE@ HTTP/1.1", HOST, AUTH, ALL, body=INNER)),
        Head("OPTIONS with a body", head("OPTIONS @PAGE@ HTTP/1.1", HOST, AUTH, ALL, body=INNER)),
    ]


FRAMING = (*_table(), *_old())
