"""Headers by which a client would be somebody or somewhere else, and lines that are no headers.

In two tables: what may stand there and changes nothing (the page arrives as if it had not), and what is refused.
"""

from tests.heads.case import AUTH, BODY, FORM, HOST, INNER, Head, Reach, get, head, latin, post, upload

# Passed by and not passed on.
IGNORED: dict[str, str | bytes] = {
    "X-Outside-URL": "X-Outside-URL: http://evil.test/team/evil",
    "X-Outside-Url in other letters": "x-outside-url: http://evil.test/team/evil",
    "X-Outside-URL twice": "X-Outside-URL: http://evil.test/\r\nX-Outside-URL: http://evil.test/",
    "X_Outside_URL": "X_Outside_URL: http://evil.test/",
    "X-Forwarded-For": "X-Forwarded-For: 6.6.6.6, evil",
    "X-Forwarded-For twice": "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 6.6.6.6",
    "X-Forwarded-For of loopback": "X-Forwarded-For: 6.6.6.6, 127.0.0.1, evil",
    "X-Forwarded-For that is markup": "X-Forwarded-For: <evil>",
    "X-Forwarded-For of 4 KB": "X-Forwarded-For: " + "6.6.6.6, " * 450 + "evil",
    "X-Forwarded-Host": "X-Forwarded-Host: evil.test",
    "X-Forwarded-Server": "X-Forwarded-Server: evil.test",
    "X-Forwarded-Port": "X-Forwarded-Port: 6666",
    "X-Forwarded-Proto": "X-Forwarded-Proto: evil",
    "X-Forwarded-Scheme": "X-Forwarded-Scheme: evil",
    "X-Forwarded-Prefix": "X-Forwarded-Prefix: /evil",
    "X-Forwarded-Uri": "X-Forwarded-Uri: /simple/evil/",
    "X-Forwarded-Method": "X-Forwarded-Method: DELETE\r\nX-A: evil",
    "X-Forwarded-User": "X-Forwarded-User: evil",
    "X-Remote-User": "X-Remote-User: evil",
    "Remote-User": "Remote-User: evil",
    "X-Real-IP": "X-Real-IP: 6.6.6.6\r\nX-A: evil",
    "X-Client-IP": "X-Client-IP: evil",
    "True-Client-IP": "True-Client-IP: evil",
    "Forwarded": "Forwarded: for=6.6.6.6;host=evil.test;proto=evil",
    "Forwarded with quotes": 'Forwarded: for="[evil]";by=evil',
    "Via": "Via: 1.1 evil",
    "X-Host": "X-Host: evil.test",
    "X-HTTP-Method-Override": "X-HTTP-Method-Override: DELETE\r\nX-A: evil",
    "X-HTTP-Method": "X-HTTP-Method: DELETE\r\nX-A: evil",
    "X-Method-Override": "X-Method-Override: PUSH\r\nX-A: evil",
    "X-Original-URL": "X-Original-URL: /simple/evil/",
    "X-Original-URI": "X-Original-URI: /simple/evil/",
    "X-Original-Method": "X-Original-Method: evil",
    "X-Rewrite-URL": "X-Rewrite-URL: /simple/evil/",
    "X-Accel-Redirect": "X-Accel-Redirect: /simple/evil/",
    "X-Sendfile": "X-Sendfile: /etc/evil",
    "X-Script-Name": "X-Script-Name: /evil",
    "SCRIPT_NAME": "SCRIPT_NAME: /evil",
    "PATH_INFO": "PATH_INFO: /evil",
    "Content-Location": "Content-Location: /simple/evil/",
    "Destination": "Destination: http://evil.test/",
    "Origin": "Origin: http://evil.test",
    "Referer": "Referer: http://evil.test/",
    "Cookie": "Cookie: session=evil",
    "Cookie that is a credential": "Cookie: authorization=@AUTH@",
    "Proxy-Authorization": "Proxy-Authorization: Basic evil",
    "Proxy-Connection": "Proxy-Connection: keep-alive, evil",
    "Proxy": "Proxy: http://evil.test/",
    "X-Api-Key": "X-Api-Key: evil",
    "X-Request-Id": "X-Request-Id: evil",
    "Connection that names Host": "Connection: keep-alive, Host\r\nX-A: evil",
    "Connection that names Authorization": "Connection: Authorization\r\nX-A: evil",
    "Connection that names Content-Length": "Connection: Content-Length\r\nX-A: evil",
    "Connection that names X-Forwarded-For": "Connection: X-Forwarded-For\r\nX-A: evil",
    "Connection that names itself": "Connection: Connection, evil",
    "Connection that names nothing": "Connection: ,,\r\nX-A: evil",
    "Connection twice": "Connection: keep-alive\r\nConnection: evil",
    "Connection of 2 KB": "Connection: " + "evil, " * 400 + "keep-alive",
    "Keep-Alive": "Connection: keep-alive\r\nKeep-Alive: timeout=99999, max=evil",
    "TE": "TE: trailers, evil\r\nConnection: TE",
    "Trailer": "Trailer: Authorization, evil",
    "Upgrade to a websocket": "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: evil",
    "Upgrade to anything": "Connection: Upgrade\r\nUpgrade: evil",
    "Upgrade without a Connection": "Upgrade: evil",
    "Upgrade to TLS": "Connection: Upgrade\r\nUpgrade: TLS/1.0, evil",
    "Max-Forwards": "Max-Forwards: 0\r\nX-A: evil",
    "Early-Data": "Early-Data: 1\r\nX-A: evil",
    "Alt-Used": "Alt-Used: evil.test",
    "Pragma": "Pragma: evil",
    "a name of punctuation": "!#$%&'*+-.^_`|~: evil",
    "a name of 1 KB": "X-" + "a" * 1_000 + ": evil",
    "a value beyond ASCII": "X-A: evil \xe9\xff",
    "a value of spaces": "X-Evil:      ",
    "a value with tabs": "X-A: evil\tevil",
    "a value that looks like a header": "X-A: Transfer-Encoding: evil",
    "an empty value": "X-Evil:",
    "fifty headers": "\r\n".join(["X-A: evil"] * 50),
}

# Not passed on, because they make a request that two readers could read differently, or that nobody understands.
REFUSED: dict[str, str | bytes] = {
    "a second Host": "Host: evil.test",
    "a second Host in other letters": "hOST: evil.test",
    "a second Host behind a space": "Host : evil.test",
    "a second Host that is empty": "Host:",
    "a second Authorization": "Authorization: Basic evil",
    "a second Authorization, the same": AUTH,
    "a second Authorization in other letters": "aUTHORIZATION: Bearer evil",
    "a second Authorization behind a space": "Authorization : evil",
    "Content-Encoding": "Content-Encoding: gzip",
    "Content-Encoding: identity": "Content-Encoding: identity",
    "Content-Encoding twice": "Content-Encoding: gzip\r\nContent-Encoding: gzip",
    "Content-Encoding that is unknown": "Content-Encoding: evil",
    "Expect of something": "Expect: evil",
    "Expect of more": "Expect: 100-continue, evil",
    "Expect twice": "Expect: 100-continue\r\nExpect: 100-continue",
    "Expect that is empty": "Expect:",
    "a NUL in a value": "X-A: evil\x00",
    "a NUL in a name": "X-\x00A: evil",
    "a bare CR in a value": "X-A: evil\rX-B: evil",
    "a bare CR before a name": "X-A: evil\r\n\rX-B: evil",
    "a bare LF in a value": "X-A: evil\nX-B: evil",
    "a bell in a value": "X-A: evil\x07",
    "an escape in a value": "X-A: evil\x1b[2J",
    "a DEL in a value": "X-A: evil\x7f",
    "a folded value": "X-A: evil\r\n evil",
    "a folded value with a tab": "X-A: evil\r\n\tevil",
    "a folded empty line": "X-A: evil\r\n \r\nX-B: evil",
    "a space before the colon": "X-A : evil",
    "a tab before the colon": "X-A\t: evil",
    "a space before the name": " X-A: evil",
    "a space in the name": "X A: evil",
    "no colon": "evil",
    "no name": ": evil",
    "a slash in the name": "X/A: evil",
    "brackets in the name": "X[A]: evil",
    "a name beyond ASCII": "X-\xe9: evil",
    "a semicolon in the name": "X;A: evil",
    "quotes in the name": '"X-A": evil',
    "an at in the name": "X@A: evil",
    "a value of 20 KB": "X-A: evil" + "a" * 20_000,
    "a name of 20 KB": "X-A" + "a" * 20_000 + ": evil",
    "a thousand headers": "\r\n".join(["X-A: evil"] * 1_000),
}
# These an honest web server leaves out, or joins: what is left is the page.
HOSTS: dict[str, str | bytes] = {
    "none": b"",
    "empty": "Host:",
    "a space": "Host: a evil",
    "a path": "Host: @HOST@/evil",
    "a user": "Host: evil@@HOST@",
    "a comma": "Host: @HOST@, evil.test",
    "a fragment": "Host: @HOST@#evil",
    "a query": "Host: @HOST@?evil",
    "a backslash": "Host: @HOST@\\evil",
    "a port of letters": "Host: @HOST@:evil",
    "two ports": "Host: @HOST@:80:evil",
    "half an address": "Host: [::1",
    "markup": "Host: <evil>",
    "a NUL": "Host: @HOST@\x00evil",
    "an escape": "Host: %65vil.test",
    "beyond ASCII": "Host: evil\xe9.test",
    "a scheme": "Host: http://evil.test",
    "300 letters": "Host: " + "evil" * 75,
    "folded": "Host: @HOST@\r\n evil",
    "behind a space": " Host: @HOST@",
}


def _table() -> list[Head]:
    found = []
    for how, line in IGNORED.items():
        found.append(Head(f"ignored on a read: {how}", get(line), Reach.PAGE))
        found.append(Head(f"ignored on an upload: {how}", upload(line), Reach.UPLOAD))
    for how, line in REFUSED.items():
        found.append(Head(f"refused on a read: {how}", get(line), behind=Reach.PAGE))
        found.append(Head(f"refused on an upload: {how}", upload(line), behind=Reach.UPLOAD))
    for how, line in HOSTS.items():
        given = (line,) if line else ()
        found.append(Head(f"Host: {how}", head(b"GET @PAGE@ HTTP/1.1", *given, AUTH), behind=Reach.PAGE))
    return found


def _credentials() -> list[Head]:
    """The credential where none belongs, or not alone."""
    first = b"GET @PAGE@ HTTP/1.1"
    lines = {
        "devpi's header": "X-Devpi-Auth: @AUTH@",
        "a proxy's header": "Proxy-Authorization: @AUTH@",
        "a list": "Authorization: @AUTH@, @AUTH@",
        "folded": "Authorization:\r\n @AUTH@",
        "a NUL behind": "Authorization: @AUTH@\x00",
        "a scheme nobody speaks": "Authorization: Evil @AUTH@",
        "10 KB": "Authorization: Basic " + "a" * 10_000,
        "an underscore": "Authorizatio_n: @AUTH@",
    }
    joined = {"folded": Reach.PAGE}  # by a web server in front, which may do that (RFC 9112, section 5.2)
    return [
        Head(f"the credential: {how}", head(first, HOST, line), behind=joined.get(how)) for how, line in lines.items()
    ]


def _ends() -> list[Head]:
    """How lines and heads end."""
    first, half = b"GET @PAGE@ HTTP/1.1", len(BODY) // 2
    return [
        Head("lines that end in LF", head(first, HOST, AUTH, end=b"\n"), behind=Reach.PAGE),
        Head("lines that end in CR", head(first, HOST, AUTH, end=b"\r")),
        Head("lines that end in CR CR LF", head(first, HOST, AUTH, end=b"\r\r\n"), behind=Reach.PAGE),
        Head("lines that end in LF CR", head(first, HOST, AUTH, end=b"\n\r"), behind=Reach.PAGE),
        Head("a head that ends in LF LF", get()[:-4] + b"\n\n", behind=Reach.PAGE),
        Head("a head that ends in CR LF LF", get()[:-2] + b"\n", Reach.PAGE),
        Head("half a head", get()[:-20]),
        Head("an upload whose lines end in LF", head(b"POST @UP@ HTTP/1.1", HOST, AUTH, FORM, latin("Content-Length: @N@"), end=b"\n", body=INNER)),
        Head("an expectation and no wait", upload("Expect: 100-continue"), Reach.UPLOAD),
        Head("an expectation on a read", get("Expect: 100-continue"), Reach.PAGE),
        Head("an expectation of a body that is a request", post("Expect: 100-continue", "Content-Length: @N@", body=INNER)),
        Head("two content types", upload("Content-Type: text/plain")),
        Head("an upload cut in two by its length", post(f"Content-Length: {half}", body=BODY)),
        Head("a range of everything", get("Range: bytes=" + "0-," * 500 + "0-"), Reach.PAGE),
        Head("a condition on everything", get("If-Match: *", "If-Match: *"), Reach.PAGE),
    ]  # fmt: skip


TRICKS = (*_table(), *_credentials(), *_ends())
