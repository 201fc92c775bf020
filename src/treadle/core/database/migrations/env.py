"""What alembic runs: the migrations, within the connection that it is handed."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="treadle_schema",
    transactional_ddl=True,
)
# No transaction of its own: the caller's covers the check, the migrations and the lock.
context.run_migrations()
