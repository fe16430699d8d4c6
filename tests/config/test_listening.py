"""Where clients connect: every key's readings and refusals, certificates that fit and that do not."""

import os
import re
import ssl
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
import trustme

from authproxy.config import Address, Config, ConfigProblems, SecretReference, SecretSource, UnixAddress, load, shown
from authproxy.config import listening as room
from authproxy.config.listening import expiry_of
from authproxy.config.settings import TlsFiles
from tests.config.conftest import LEAST

Write = Callable[[str], Path]
HTTPS = re.sub(r"^public_url:.*", "public_url: https://pypi.test/", LEAST, flags=re.MULTILINE)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a config, and beside it a pair: chain.pem and key.pem."""
    authority = trustme.CA()
    for name in ("", "other-"):
        issued = authority.issue_cert("pypi.test")
        (tmp_path / f"{name}chain.pem").write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        (tmp_path / f"{name}key.pem").write_bytes(issued.private_key_pem.bytes())
        (tmp_path / f"{name}key.pem").chmod(0o600)

    def writing(text: str) -> Path:
        path = tmp_path / "authproxy.yaml"
        path.write_text(text)
        return path

    return writing


def problems(path: Path, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        load(path, env or {})
    return [each.sentence for each in caught.value.problems]


TAKEN = [
    (room.listen, "127.0.0.1:8080", Address("127.0.0.1", 8080)),
    (room.listen, "unix:/run/a.sock", UnixAddress("/run/a.sock")),
    (room.socket_mode, "660", 0o660),
    (room.socket_mode, "0600", 0o600),
    (room.proxy, "unix", room.UNIX_PEER),
    (room.proxy, "10.0.0.0/8", ip_network("10.0.0.0/8")),
    (
        room.tls,
        {"certificate": "a.pem", "key": {"credential": "tls-key"}},
        (SecretReference(SecretSource.FILE, "a.pem"), SecretReference(SecretSource.CREDENTIAL, "tls-key")),
    ),
]
REFUSED = [
    (room.listen, "unix:run/a.sock", "the whole path"),
    (room.listen, "unix:", "the whole path"),
    (room.listen, "unix:/run/", "the whole path"),
    (room.listen, "unix:/run/a\nb", "the whole path"),
    (room.listen, "unix:/" + "a" * 107, "107 bytes"),
    (room.listen, "8080", "or unix:/run"),
    (room.listen, 8080, "or unix:/run"),
    (room.socket_mode, 660, "in quotes"),
    (room.socket_mode, "888", "octal"),
    (room.socket_mode, "1777", "octal"),
    (room.proxy, "0.0.0.0/0", "name the proxies"),
    (room.proxy, "unix:", "is no network"),
    (room.tls, "a.pem", "{certificate: FILE, key: FILE}"),
    (room.tls, {"certificate": "a.pem"}, "{certificate: FILE, key: FILE}"),
    (room.tls, {"certificate": "a.pem", "key": "b.pem", "more": "c"}, "{certificate: FILE, key: FILE}"),
    (room.tls, {"certificate": "a.pem", "key": ""}, "{credential: NAME}"),
    (room.tls, {"certificate": "a.pem", "key": {"env": "KEY"}}, "{credential: NAME}"),
    (room.tls, {"certificate": "a.pem", "key": {"credential": "../key"}}, "{credential: NAME}"),
    (room.tls, {"certificate": "a.pem", "key": {"credential": "k", "file": "b"}}, "{credential: NAME}"),
]


@pytest.mark.parametrize(("read", "raw", "value"), TAKEN, ids=lambda each: getattr(each, "__name__", str(each)[:40]))
def test_what_is_taken(read: Callable[[object], object], raw: object, value: object) -> None:
    """Each value as the rest of the program meets it."""
    assert read(raw) == value


@pytest.mark.parametrize(("read", "raw", "words"), REFUSED, ids=lambda each: getattr(each, "__name__", str(each)[:40]))
def test_what_is_not_taken(read: Callable[[object], object], raw: object, words: str) -> None:
    """Each refusal says what is taken instead, in one line."""
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read(raw)
    assert "\n" not in str(caught.value)


def test_all_of_it_is_read_and_shown(write: Write) -> None:
    """What `config show` prints is read as the same again."""
    path = write(
        HTTPS + "listen: unix:/run/a.sock\nsocket_mode: '600'\ntls: {certificate: chain.pem, key: key.pem}\n"
        "proxy_protocol: true\ntrusted_proxies: [unix, 10.0.0.0/8]\nworkers: 4\n"
    )
    config = load(path, {})
    assert (config.listen, config.socket_mode, config.workers) == (UnixAddress("/run/a.sock"), 0o600, 4)
    assert config.proxy_protocol
    assert config.tls is not None
    assert config.tls.certificate == path.parent / "chain.pem"
    told = shown(config)
    assert told["tls"] == {"certificate": str(path.parent / "chain.pem"), "key": str(path.parent / "key.pem")}
    assert (told["listen"], told["socket_mode"]) == ("unix:/run/a.sock", "600")
    assert told["trusted_proxies"] == ["unix", "10.0.0.0/8"]


def test_what_holds_where_nothing_is_said(write: Write) -> None:
    """One process, no TLS, no balancer."""
    config = load(write(LEAST), {})
    assert (config.workers, config.tls, config.proxy_protocol, config.socket_mode) == (1, None, False, 0o660)


@pytest.mark.parametrize("number", ["0", "65", "'2'", "true"])
def test_a_number_of_workers_is_one(write: Write, number: str) -> None:
    """From 1 to 64."""
    assert len(problems(write(f"{LEAST}workers: {number}\n"))) == 1


TLS = "tls: {certificate: chain.pem, key: key.pem}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HTTPS + TLS.replace("chain", "absent"), "absent.pem' cannot be read: no such file"),
        (HTTPS + TLS.replace("key.pem", "other-key.pem"), "other-key.pem' is not that of the certificate"),
        (HTTPS + TLS.replace("chain.pem", "key.pem"), "no certificate with its key"),
        (HTTPS + TLS.replace("chain.pem", "."), "is no regular file"),
        (HTTPS + TLS.replace("key.pem", "{credential: tls-key}"), "CREDENTIALS_DIRECTORY is not set"),
        (re.sub(r"^public_url:.*", "public_url: http://pypi.test/", LEAST, flags=re.MULTILINE) + TLS, "write https://"),
        (LEAST + "proxy_protocol: true\n", "that is everybody"),
        (LEAST + "listen: 127.0.0.1:80\nmetrics: 127.0.0.1:80\n", "an address of its own"),
    ],
    ids=["no file", "the key of another", "no certificate", "a folder", "no credentials", "http", "nobody", "one port"],
)
def test_what_does_not_fit_together(write: Write, text: str, words: str) -> None:
    """One problem, at `config check`, at the start and at a reload alike."""
    [sentence] = problems(write(text))
    assert words in sentence


def test_a_key_with_a_passphrase_waits_for_nobody(write: Write, tmp_path: Path) -> None:
    """OpenSSL would ask the terminal for it."""
    from cryptography.hazmat.primitives import serialization as pem

    key = pem.load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)
    locked = pem.BestAvailableEncryption(b"secret")
    (tmp_path / "key.pem").write_bytes(key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, locked))
    [sentence] = problems(write(HTTPS + TLS))
    assert "asks for a passphrase" in sentence


def test_a_fifo_waits_for_nobody(write: Write, tmp_path: Path) -> None:
    """Nor does the start."""
    (tmp_path / "key.pem").unlink()
    os.mkfifo(tmp_path / "key.pem")
    [sentence] = problems(write(HTTPS + TLS))
    assert "is no regular file" in sentence


def test_credentials_are_found_where_systemd_puts_them(write: Write, tmp_path: Path) -> None:
    """By their names; `config show` keeps the name, not this run's folder."""
    (tmp_path / "credentials").mkdir()
    (tmp_path / "key.pem").rename(tmp_path / "credentials" / "tls-key")
    path = write(HTTPS + TLS.replace("key.pem", "{credential: tls-key}"))
    config = load(path, {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})
    assert config.tls is not None
    assert config.tls.key == tmp_path / "credentials" / "tls-key"
    assert shown(config)["tls"]["key"] == {"credential": "tls-key"}


def test_without_secrets_no_certificate_is_asked_for(write: Write) -> None:
    """A file is compared where its certificates are not."""
    path = write(HTTPS + TLS.replace("chain", "absent"))
    assert load(path, {}, secrets=False).tls is not None


def sentences(config: Config) -> list[str]:
    return [each.sentence for each in config.warnings]


def test_an_open_key_is_a_warning(write: Write, tmp_path: Path) -> None:
    """It works, and ought to be mended."""
    (tmp_path / "key.pem").chmod(0o644)
    assert "everybody on this machine may open" in sentences(load(write(HTTPS + TLS), {}))[0]


@pytest.mark.parametrize(("trusted", "told"), [("[unix]", 0), ("[10.0.0.0/8]", 1), ("[]", 1)])
def test_clients_without_addresses_are_a_warning(write: Write, trusted: str, told: int) -> None:
    """All of them would be one to throttling and networks."""
    config = load(write(f"{LEAST}listen: unix:/run/a.sock\ntrusted_proxies: {trusted}\n"), {})
    assert sum("add unix to trusted_proxies" in each for each in sentences(config)) == told


def shake_hands(server: ssl.SSLContext, authority: Path, version: ssl.TLSVersion) -> str | None:
    """The version that was agreed on, with a client that knows but one; in memory."""
    client = ssl.create_default_context(cafile=authority)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client.minimum_version = ssl.TLSVersion.TLSv1
        client.maximum_version = version
        client.minimum_version = version
    client.set_ciphers("ALL:@SECLEVEL=0")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(back, there, server_hostname="pypi.test"), server.wrap_bio(there, back, server_side=True)]
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[1].version()


def test_tls_11_is_not_spoken(tmp_path: Path) -> None:
    """RFC 8996; and the control: the same client is served by whoever allows it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("pypi.test")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "chain.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    made = room.tls_files(room.tls({"certificate": "chain.pem", "key": "key.pem"}), tmp_path, {})
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        assert shake_hands(room.pair_of(made), tmp_path / "ca.pem", version) == name
    with pytest.raises(ssl.SSLError):
        shake_hands(room.pair_of(made), tmp_path / "ca.pem", ssl.TLSVersion.TLSv1_1)
    lax = room.pair_of(made)
    lax.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        lax.minimum_version = ssl.TLSVersion.TLSv1
    assert shake_hands(lax, tmp_path / "ca.pem", ssl.TLSVersion.TLSv1_1) == "TLSv1.1"


def test_when_a_certificate_ends(tmp_path: Path) -> None:
    """The first of its file, the server's own; None where there is none any more."""
    ca = trustme.CA()
    issued = ca.issue_cert("pypi.test", not_after=datetime(2031, 5, 6, tzinfo=UTC))
    file = tmp_path / "chain.pem"
    file.write_bytes(b"".join(each.bytes() for each in (*issued.cert_chain_pems, ca.cert_pem)))
    source = SecretReference(SecretSource.FILE, "chain.pem")
    files = TlsFiles(file, file, source, source)
    assert expiry_of(files) == datetime(2031, 5, 6, tzinfo=UTC).timestamp()
    file.write_text("none\n", encoding="utf-8")
    assert expiry_of(files) is None
    file.unlink()
    assert expiry_of(files) is None
