"""`python -m miyun.core.storage.autogenerate`: write revision 0001 anew from every room's tables.

For developers, and only until the first release: from then on a released revision never changes, and changes of tables
come as new revisions.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

import miyun
from miyun.core.storage.database import UtcDateTime, metadata
from miyun.core.storage.search import text_indexes

_FILE = Path(__file__).parent / "migrations" / "versions" / "0001_tables.py"
_HEADER = '''"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from miyun.core.storage.database import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    '''


def import_stores() -> list[str]:
    """Import every module that declares tables: `*.store` and modules of packages so named."""
    found = sorted(
        module.name
        for module in pkgutil.walk_packages(miyun.__path__, "miyun.")
        if re.search(r"\.store(\.|$)", module.name) and not module.name.startswith("miyun.client")
    )
    for name in found:
        importlib.import_module(name)
    return found


def source() -> str:
    """The revision's text."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"target_metadata": metadata})
        script = produce_migrations(context, metadata)
    assert script.upgrade_ops is not None
    body = render_python_code(script.upgrade_ops, render_item=_render)
    tables = "\n".join(line for line in body.splitlines() if "# ###" not in line).strip()
    return f"{_HEADER}{tables}\n{_text_indexes()}"


def _text_indexes() -> str:
    """Those that no table of the metadata stands for, in each database's own words."""
    lines = []
    for dialect in ("sqlite", "postgresql"):
        found = [statement for index in text_indexes() for statement in index.statements(dialect)]
        if found:
            lines.append(f'    if op.get_context().dialect.name == "{dialect}":')
            lines += [f'        op.execute("""{statement.replace(" IF NOT EXISTS", "")}""")' for statement in found]
    return "\n".join(lines) + "\n"


def _render(kind: str, value: Any, context: Any) -> str | Literal[False]:
    return "UtcDateTime()" if kind == "type" and isinstance(value, UtcDateTime) else False


def main() -> None:
    stores = import_stores()
    _FILE.write_text(source(), "utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "format", "--quiet", str(_FILE)], check=True)
    subprocess.run([*ruff, "check", "--fix", "--quiet", str(_FILE)], check=True)
    sys.stdout.write(f"{_FILE.name}: {len(metadata.tables)} tables of {len(stores)} modules\n")


if __name__ == "__main__":
    main()
