"""How the store says that it cannot: one sentence for the operator. No exception of a library leaves this room."""


class StoreError(Exception):
    """The store cannot answer. The message is one sentence without a secret."""


class StoreBusy(StoreError):
    """Another program holds the database; the same call may work later."""


class StoreFull(StoreError):
    """There is no room to write."""


class SchemaError(StoreError):
    """The database is not at this program's schema."""


class StoreLost(StoreBusy):
    """The database server cannot be reached, or was lost in the middle: what was under way may be done or not."""
