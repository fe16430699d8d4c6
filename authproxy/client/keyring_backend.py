"""What we answer to programs that ask the `keyring` package: a fresh derived key, for hosts that somebody logged in to.

`offer` is the entry point (group `keyring.backends`). On a machine where nobody has logged in it adds no backend at
all, so that a keyring there behaves as if we were not installed. Our backend keeps nothing: what shall be stored goes
to the next one in the chain.
"""

from authproxy.client.places import logins_file


def offer() -> None:
    """Add our backend to the keyring's, where there is a login."""
    if logins_file().exists():
        # Its class is known to the keyring as soon as it is imported.
        import authproxy.client.keyring_answers  # noqa: F401
