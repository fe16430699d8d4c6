"""The store on PostgreSQL, for several replicas: the same functions of a `Connection`, and what else differs.

`engine` opens connections and says what their failures mean; `sentinel` holds the one connection that shows this run to
others, hears of changes and knows how fresh that is; `worker` makes the transactions; `schema` migrates.

What it takes is an extra, so this is imported where a URL asks for it; where that is missing, a StoreError says so.
"""

from importlib.util import find_spec

from authproxy.store.errors import StoreError

_WANTED = ("asyncpg", "greenlet")  # SQLAlchemy runs our functions on the one in the other

if not all(find_spec(name) for name in _WANTED):
    raise StoreError("the store is in PostgreSQL, which takes an extra: pip install '.[postgres]' in a checkout")
