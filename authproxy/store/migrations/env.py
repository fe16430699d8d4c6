"""Where Alembic asks for a connection. `authproxy.store.schema` hands one over, inside a transaction of its own."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
