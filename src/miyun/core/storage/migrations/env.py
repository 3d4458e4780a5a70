"""Run by Alembic with the connection of `miyun.core.storage.schema`; there is no alembic.ini."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
