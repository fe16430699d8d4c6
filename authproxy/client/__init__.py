"""What runs on the uploader's machine: derive a key, run an upload client with it, answer a keyring.

The full key is read here, from a file, a stream or the system's keyring, and never leaves: what goes on, into the
environment of a client or to whoever asks the keyring, is derived from it, for these files, this project, these
minutes. Nothing here talks to a server, and nothing is logged.

Imports `authproxy.domain` and the standard library; `keyring` where it is asked for, and only then. These modules are
loaded by every program that asks a keyring for anything, so they load little.
"""
