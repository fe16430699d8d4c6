"""How this room says that it cannot do its work: one sentence for a person, never with a key in it."""


class ClientError(Exception):
    """What is wrong, which, and what to do instead. It ends a command with exit status 1."""
