"""A Config as the file would say it: every setting that holds, and of a secret only where it stands.

Written as YAML or JSON, what comes out loads to the same Config.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from authproxy.config.listening import shown_proxy
from authproxy.config.publishers import shown_publisher, shown_trusted_publishing
from authproxy.config.reporters import LeakReports
from authproxy.config.settings import (
    BackendSettings,
    Config,
    SecretReference,
    SecretSource,
    TlsFiles,
    Webhook,
)
from authproxy.config.values import BYTES, NEVER, PERIODS, SECONDS
from authproxy.domain.grants import ANY, Grant
from authproxy.domain.passwords import PasswordRule
from authproxy.domain.policy import KeyPolicy, PackageRule, Rate


def shown(config: Config) -> dict[str, Any]:
    """Return the settings as plain values, in the order of the example file."""
    return _without_none(
        {
            "listen": str(config.listen),
            "socket_mode": f"{config.socket_mode:03o}",
            "tls": _tls(config.tls),
            "proxy_protocol": config.proxy_protocol,
            "workers": config.workers,
            "metrics": None if config.metrics is None else str(config.metrics),
            "public_url": config.public_url,
            "backend": _backend(config.backend),
            "store": config.store,
            "store_password": _reference(config.store_password_from),
            "store_grace": _in_units(config.store_grace, SECONDS) if config.store_grace else None,
            "state_directory": str(config.state_directory),
            "reads": str(config.reads),
            "passwords": _passwords(config.policy.passwords),
            "keys": _keys(config),
            "key_policies": {name: _key_policy(each) for name, each in config.policy.key_policies.items()},
            "packages": [_rule(each) for each in config.policy.packages],
            "publishers": [shown_publisher(each) for each in config.policy.publishers.values()],
            "trusted_publishing": shown_trusted_publishing(config.trusted_publishing),
            "trusted_proxies": [shown_proxy(each) for each in config.trusted_proxies],
            "limits": {
                "max_upload": _in_units(config.limits.max_upload, BYTES),
                "spool_memory": _in_units(config.limits.spool_memory, BYTES),
                "upload_deadline": _in_units(config.limits.upload_deadline, SECONDS),
            },
            "throttle": {
                "failures": config.throttle.failures,
                "window": _in_units(config.throttle.window, SECONDS),
            },
            "record": _without_none(
                {"keep": None if config.record.keep is None else _in_units(config.record.keep, SECONDS)}
            ),
            "leak_reports": _leak_reports(config.leak_reports),
            "webhooks": [_webhook(each) for each in config.webhooks],
            "log": {"level": str(config.log.level), "format": str(config.log.format)},
        }
    )


def _without_none(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if value is not None}


def _texts(items: Iterable[object]) -> list[str]:
    return [str(each) for each in items]


def _in_units(number: int, units: Mapping[str, int]) -> str:
    """Write a number in the largest unit that divides it."""
    name, unit = max(((name, unit) for name, unit in units.items() if number % unit == 0), key=lambda each: each[1])
    return f"{number // unit}{name}"


def _lifetime(seconds: int | None) -> str:
    return NEVER if seconds is None else _in_units(seconds, SECONDS)


def _rate(rate: Rate) -> str:
    return f"{rate.count}/{next(name for name, seconds in PERIODS.items() if seconds == rate.seconds)}"


def _reference(reference: SecretReference | None) -> dict[str, str] | None:
    return None if reference is None else {str(reference.source): reference.name}


def _tls(files: TlsFiles | None) -> dict[str, Any] | None:
    if files is None:
        return None
    pair = {"certificate": (files.certificate, files.certificate_from), "key": (files.key, files.key_from)}
    return {
        name: str(path) if reference.source is SecretSource.FILE else _reference(reference)
        for name, (path, reference) in pair.items()
    }


def _keys(config: Config) -> dict[str, Any]:
    return _without_none(
        {
            "prefix": config.keys.prefix,
            "lifetime": _lifetime(config.keys.lifetime),
            "pause_unused": _lifetime(config.keys.pause_unused),
            "master_key": _reference(config.masters.current_from),
            "former_master_keys": [_reference(each) for each in config.masters.former_from] or None,
        }
    )


def _backend(backend: BackendSettings) -> dict[str, Any]:
    return _without_none(
        {
            "flavour": str(backend.flavour),
            "url": backend.url,
            "username": backend.username,
            "password": _reference(backend.password_from),
            "indexes": list(backend.indexes) or None,
            "opens": _texts(backend.opens) or None,
            "read_back": backend.read_back,
            "timeouts": {
                "connect": _in_units(backend.timeouts.connect, SECONDS),
                "read": _in_units(backend.timeouts.read, SECONDS),
                "upload": _in_units(backend.timeouts.upload, SECONDS),
            },
        }
    )


def _grant(grant: Grant) -> dict[str, Any]:
    return _without_none(
        {
            "actions": sorted(map(str, grant.actions)),
            "packages": [each.text for each in grant.packages],
            "indexes": None if grant.indexes == (ANY,) else list(grant.indexes),
            "create": grant.create,
        }
    )


def _key_policy(policy: KeyPolicy) -> dict[str, Any]:
    return _without_none(
        {
            "allow": [_grant(each) for each in policy.allow],
            "lifetime": _lifetime(policy.lifetime),
            "pause_unused": _lifetime(policy.pause_unused),
            "networks": _texts(policy.networks),
            "uses": policy.uses,
            "rate": None if policy.rate is None else _rate(policy.rate),
        }
    )


def _webhook(webhook: Webhook) -> dict[str, Any]:
    return {
        "name": webhook.name,
        "url": webhook.url,
        "secret": _reference(webhook.secret_from),
        "events": sorted(map(str, webhook.events)),
    }


def _leak_reports(reports: LeakReports) -> dict[str, Any] | None:
    keys = [{"id": each.id, "key": {"file": each.file}} for each in reports.keys]
    return {"action": str(reports.action), "keys": keys} if keys else None


def _passwords(rule: PasswordRule) -> dict[str, Any]:
    return _without_none({"uploads": str(rule.uploads), "until": None if rule.until is None else str(rule.until)})


def _rule(rule: PackageRule) -> dict[str, Any]:
    return _without_none(
        {
            "match": rule.match.text,
            "indexes": list(rule.indexes) or None,
            "require": str(rule.require),
            "filetypes": sorted(map(str, rule.filetypes)),
            "max_size": None if rule.max_size is None else _in_units(rule.max_size, BYTES),
            "overwrite": str(rule.overwrite),
            "versions": [each.text for each in rule.versions],
            "metadata": str(rule.metadata),
            "attestations": str(rule.attestations),
            "passwords": None if rule.passwords is None else str(rule.passwords),
            "enforce": rule.enforce,
        }
    )
