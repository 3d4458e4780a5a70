"""What a process imports before it serves: each pays for it at every start, in time and in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from miyun.edge.cli import COMMANDS

SERVER = frozenset({"litestar", "uvicorn", "jinja2"})
DATABASE = frozenset({"sqlalchemy", "alembic", "psycopg"})
PAPERS = frozenset({"docx", "pypdf", "cn2an", "chinese_calendar", "lxml", "pyhanko", "signxml", "asn1crypto"})
CALLS = frozenset({"httpx", "httpcore", "dns", "acme", "josepy"})
LOGINS = frozenset({"authlib", "joserfc"})
HEAVY = SERVER | DATABASE | PAPERS | CALLS | LOGINS

PROCESSES = {
    "miyun.edge.cli": HEAVY | {"cryptography", "msgspec"},
    "miyun.hsm.soft.process": HEAVY,
    "miyun.core.ledger.__main__": HEAVY,
    "miyun.edge.listener.__main__": HEAVY,
    "miyun.edge.supervisor": HEAVY,
    "miyun.edge.jobs": SERVER | {"alembic", "httpx", "dns", "acme", "josepy"} | PAPERS - {"chinese_calendar"},
    "miyun.edge.http.__main__": {"alembic", "httpx", "dns", "acme", "josepy"} | PAPERS - {"chinese_calendar"},
}


def imported_by(*modules: str) -> set[str]:
    """The top-level packages that are there once `modules` were imported, in a process of their own."""
    program = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program, *modules], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in ran.stdout.split()}


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_starts_without_what_it_may_never_need(process: str) -> None:
    assert not imported_by(process) & PROCESSES[process]


def test_a_command_explains_itself_without_the_platform() -> None:
    modules = {f"miyun.edge.cli.{module}" for module, _ in COMMANDS.values()}
    assert not imported_by(*sorted(modules)) & HEAVY
