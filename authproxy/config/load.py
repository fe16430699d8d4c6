"""From a file to a Config: read, check everything, then build."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from authproxy.config.checks import CHECKS, read_password, shut_to_publishers
from authproxy.config.databases import is_postgres
from authproxy.config.leaks import leak_reports, read_report_keys
from authproxy.config.listening import doubt_about_addresses, read_tls, tls_files
from authproxy.config.masters import read_master_keys
from authproxy.config.model import WORDS, BackendSection, FileSection, WebhookSection
from authproxy.config.problem import ConfigProblems
from authproxy.config.publishers import TryRoot, built, certificates_that_are_there, trusted_publishing, unverified
from authproxy.config.reader import read
from authproxy.config.rules import GrantSection, KeyPolicySection, PackageSection
from authproxy.config.settings import (
    LET_READ,
    NOBODY_READS,
    BackendSettings,
    Config,
    KeySettings,
    Limits,
    LogSettings,
    MasterKeys,
    RecordSettings,
    ThrottleSettings,
    Timeouts,
    Webhook,
)
from authproxy.config.text import read_text
from authproxy.config.validation import validated
from authproxy.config.webhooks import read_signing_keys
from authproxy.domain.grants import ANY, Grant
from authproxy.domain.passwords import PasswordRule
from authproxy.domain.policy import KeyPolicy, PackageRule, Policy


def load(
    path: Path, env: Mapping[str, str] = os.environ, *, secrets: bool = True, try_root: TryRoot | None = None
) -> Config:
    """Read a configuration and the secrets that it names. Relative paths in it start at its own directory.

    Without `secrets` those are left alone: a file is compared or reviewed where they are not. `try_root` reads a
    trusted root of sigstore's, which takes its library and a second: a server does, whoever lists keys does not.
    Raises ConfigProblems with everything that is wrong.
    """
    document = read(read_text(path), WORDS)
    model = validated(document)
    for check in CHECKS:
        check(document)
    base = path.absolute().parent
    password, warning = read_password(document, base, env, "backend", "password") if secrets else (None, None)
    store_password, doubt = read_password(document, base, env, "store_password") if secrets else (None, None)
    open_key = read_tls(document, base, env) if secrets else None
    signing, doubts = read_signing_keys(document, base, env) if secrets else ({}, ())
    master, former, worries = read_master_keys(document, base, env) if secrets else (None, (), ())
    reporters = read_report_keys(document, base) if secrets else {}
    if secrets:
        certificates_that_are_there(document, base, try_root)
    if model is not None and not is_postgres(model.store) and "?" in str(base / model.store):
        document.report(("store",), "store: a database's path holds no question mark, here or in the file's directory")
    if document.problems or model is None:
        raise ConfigProblems(document.problems)
    warnings = [each for each in (warning, doubt, open_key, doubt_about_addresses(document)) if each]
    warnings += unverified(document, model.packages, model.trusted_publishing.attestation_root)
    webhooks = tuple(_webhook(section, signing.get(position)) for position, section in enumerate(model.webhooks))
    config = replace(
        _config(path.absolute(), model, password),
        webhooks=webhooks,
        masters=MasterKeys(master, former, model.keys.master_key, tuple(model.keys.former_master_keys)),
        leak_reports=leak_reports(model.leak_reports, reporters),
        store_password=store_password,
        tls=tls_files(model.tls, base, env) if model.tls else None,
    )
    if config.nobody_reads:
        warnings.append(document.problem(("reads",), f"{NOBODY_READS}: {LET_READ}"))
    warnings += [document.problem(("packages", at), told) for at, told in shut_to_publishers(config.policy)]
    return replace(config, warnings=(*warnings, *doubts, *worries))


def _config(file: Path, model: FileSection, password: str | None) -> Config:
    server, policy = is_postgres(model.store), _policy(model)
    database = Path(os.path.normpath(file.parent / ("authproxy.db" if server else model.store)))
    host = urlsplit(model.public_url).netloc
    return Config(
        file=file,
        listen=model.listen,
        metrics=model.metrics,
        public_url=model.public_url,
        backend=_backend(model.backend, password),
        store=model.store if server else f"sqlite:///{database}",
        state_directory=file.parent / model.state_directory if model.state_directory else database.parent,
        reads=model.reads,
        keys=KeySettings(model.keys.prefix, model.keys.lifetime, model.keys.pause_unused),
        policy=policy,
        trusted_proxies=tuple(model.trusted_proxies),
        limits=Limits(model.limits.max_upload, model.limits.spool_memory, model.limits.upload_deadline),
        throttle=ThrottleSettings(model.throttle.failures, model.throttle.window),
        record=RecordSettings(model.record.keep),
        log=LogSettings(model.log.level, model.log.format),
        store_password_from=model.store_password,
        store_grace=model.store_grace or 0,
        socket_mode=model.socket_mode,
        proxy_protocol=model.proxy_protocol,
        workers=model.workers,
        trusted_publishing=trusted_publishing(model.trusted_publishing, policy.publishers, host, file.parent),
    )


def _backend(section: BackendSection, password: str | None) -> BackendSettings:
    timeouts = Timeouts(section.timeouts.connect, section.timeouts.read, section.timeouts.upload)
    return BackendSettings(
        section.flavour,
        section.url,
        section.username,
        password,
        section.password,
        timeouts,
        tuple(section.indexes or ()),
        tuple(section.opens),
        section.read_back,
    )


def _webhook(section: WebhookSection, secret: bytes | None) -> Webhook:
    return Webhook(section.name, section.url, secret, section.secret, frozenset(section.events))


def _policy(model: FileSection) -> Policy:
    policies = {name: _key_policy(name, section, model) for name, section in model.key_policies.items()}
    rules = tuple(_rule(position, section) for position, section in enumerate(model.packages))
    publishers = {each.label: each for each in map(built, model.publishers)}
    passwords = PasswordRule(model.passwords.uploads, model.passwords.until)
    return Policy(MappingProxyType(policies), rules, passwords, MappingProxyType(publishers))


def _grant(section: GrantSection) -> Grant:
    indexes = tuple(section.indexes or (ANY,))
    return Grant(frozenset(section.actions), tuple(section.packages), indexes, create=section.create)


def _key_policy(name: str, section: KeyPolicySection, model: FileSection) -> KeyPolicy:
    own = section.model_fields_set
    return KeyPolicy(
        name=name,
        allow=tuple(map(_grant, section.allow)),
        lifetime=section.lifetime if "lifetime" in own else model.keys.lifetime,
        networks=tuple(section.networks),
        uses=section.uses,
        rate=section.rate,
        pause_unused=section.pause_unused if "pause_unused" in own else model.keys.pause_unused,
    )


def _rule(position: int, section: PackageSection) -> PackageRule:
    return PackageRule(
        label=" @".join([f"packages[{position}] {section.match.text}", *(section.indexes or [])]),
        match=section.match,
        indexes=tuple(section.indexes or ()),
        require=section.require,
        filetypes=frozenset(section.filetypes),
        max_size=section.max_size,
        overwrite=section.overwrite,
        versions=tuple(section.versions),
        metadata=section.metadata,
        attestations=section.attestations,
        passwords=section.passwords,
        enforce=section.enforce,
    )
