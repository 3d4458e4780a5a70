"""Connection checks, kept as evidence of onboarding."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, select

from miyun.core.storage import Database, UtcDateTime, metadata
from miyun.offerings.onboarding.model import Check, CheckResult

CHECK = Table(
    "onboarding_check",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(40), nullable=False),
    Column("application", String(40), nullable=False),
    Column("binding", String(40), nullable=False),
    Column("offering", String(40), nullable=False),
    Column("result", String(16), nullable=False),
    Column("operation", String(80), nullable=False),
    Column("code", String(80), nullable=False),
    Column("seq", BigInteger),
    Column("at", UtcDateTime, nullable=False),
    Index("ix_onboarding_check_tenant_id", "tenant", "id"),
)


class OnboardingStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, checks: list[Check]) -> None:
        if checks:
            with self._database.write() as connection:
                connection.execute(CHECK.insert(), [{n: getattr(c, n) for n in Check.__slots__} for c in checks])

    def of_tenant(self, tenant: str, *, limit: int = 10_000) -> list[Check]:
        query = select(CHECK).where(CHECK.c.tenant == tenant).order_by(CHECK.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return [Check(**{**row, "result": CheckResult(row["result"])}) for row in rows]
