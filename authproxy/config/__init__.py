"""The configuration: one YAML file becomes one frozen Config, or a list of everything that is wrong with it.

The way of a file: `text` (bytes to lines), `reader` (YAML to values with places, by `scalars`, `syntax`, `document`),
`validation` (by the `model`, whose single values are read in `values`), `checks` (what takes several keys), `secrets`,
`load` (the Config of `settings`). Beside it: `problem`, `schema`, `show`.

This room reads files and the environment and nothing else. It does not know what the program does with a setting.
"""

from authproxy.config.load import load
from authproxy.config.problem import ConfigProblems, Problem
from authproxy.config.schema import schema
from authproxy.config.settings import (
    LET_READ,
    NOBODY_READS,
    Address,
    BackendSettings,
    Config,
    FlavourName,
    KeySettings,
    Limits,
    LogFormat,
    LogLevel,
    LogSettings,
    MasterKeys,
    Reads,
    RecordSettings,
    SecretReference,
    SecretSource,
    ThrottleSettings,
    Timeouts,
    TlsFiles,
    UnixAddress,
    Webhook,
)
from authproxy.config.show import shown

__all__ = [
    "LET_READ",
    "NOBODY_READS",
    "Address",
    "BackendSettings",
    "Config",
    "ConfigProblems",
    "FlavourName",
    "KeySettings",
    "Limits",
    "LogFormat",
    "LogLevel",
    "LogSettings",
    "MasterKeys",
    "Problem",
    "Reads",
    "RecordSettings",
    "SecretReference",
    "SecretSource",
    "ThrottleSettings",
    "Timeouts",
    "TlsFiles",
    "UnixAddress",
    "Webhook",
    "load",
    "schema",
    "shown",
]
