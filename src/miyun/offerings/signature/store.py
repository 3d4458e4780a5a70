"""Tables of the signature room. Every query about signers filters by tenant in the SQL itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from miyun.core.listing import Place, Sort, Sorting
from miyun.core.storage.database import Database, UtcDateTime, metadata
from miyun.core.storage.keyset import page_of
from miyun.hsm.port import KeyAlgorithm, WrappedKey
from miyun.offerings.signature.archive.store import ArchiveStore
from miyun.offerings.signature.model import EvidenceKey, Signer, SignerState, evidence_binding

SIGNERS: Final = Sorting({"id": str, "name": str, "not_after": datetime}, default="id", key=str)

signer_table = Table(
    "signature_signer",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("key", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("algorithm", String(16), nullable=False),
    Column("template", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("serial", String(40), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("tenant", "name"),
)

evidence_table = Table(
    "signature_evidence_key",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("key_algorithm", String(16), nullable=False),
    Column("key_blob", LargeBinary, nullable=False),
    Column("key_public", LargeBinary, nullable=False),
    Column("serial", String(40), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("not_after", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)


class SignatureStore:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.archive = ArchiveStore(database)

    def add_signer(self, signer: Signer) -> bool:
        """False when the tenant has a signer of this name."""
        values: Mapping[str, Any] = {
            "id": signer.id,
            "tenant": signer.tenant,
            "name": signer.name,
            "key": signer.key,
            "version": signer.version,
            "algorithm": signer.algorithm,
            "template": signer.template,
            "subject": msgspec.json.encode(signer.subject).decode(),
            "state": signer.state,
            "created_at": signer.created_at,
            **_certificate_values(signer),
        }
        try:
            with self._database.write() as connection:
                connection.execute(insert(signer_table).values(values))
        except IntegrityError:
            return False
        return True

    def find_signer(self, tenant: str, ref: str) -> Signer | None:
        """By identifier or name."""
        table = signer_table
        query = select(table).where(table.c.tenant == tenant, or_(table.c.id == ref, table.c.name == ref))
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return _signer(row) if row else None

    def signers(self, tenant: str, sort: Sort, place: Place | None, limit: int) -> list[Signer]:
        """`limit` + 1 at most."""
        query = select(signer_table).where(signer_table.c.tenant == tenant)
        columns = {name: signer_table.c[name] for name in SIGNERS.fields}
        query = page_of(query, sort, place, columns=columns, key=signer_table.c.id, limit=limit)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [_signer(row) for row in rows]

    def all_signers(self, tenant: str) -> list[Signer]:
        """In order of creation."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(signer_table).where(signer_table.c.tenant == tenant).order_by(signer_table.c.id)
            ).all()
        return [_signer(row) for row in rows]

    def set_state(self, signer: Signer, state: SignerState) -> bool:
        """False when the state changed meanwhile."""
        with self._database.write() as connection:
            done = connection.execute(
                update(signer_table)
                .where(signer_table.c.id == signer.id, signer_table.c.tenant == signer.tenant)
                .where(signer_table.c.state == signer.state)
                .values(state=state)
            )
        return done.rowcount == 1

    def set_certificate(self, signer: Signer) -> None:
        """Key version, certificate and chain as `signer` has them."""
        with self._database.write() as connection:
            connection.execute(
                update(signer_table)
                .where(signer_table.c.id == signer.id, signer_table.c.tenant == signer.tenant)
                .values(version=signer.version, **_certificate_values(signer))
            )

    # the platform's own key

    def evidence_keys(self) -> list[EvidenceKey]:
        """Every generation, newest last."""
        with self._database.read() as connection:
            rows = connection.execute(select(evidence_table).order_by(evidence_table.c.generation)).all()
        return [_evidence_key(row) for row in rows]

    def add_evidence_key(self, item: EvidenceKey) -> bool:
        """False when another process made this generation first."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(evidence_table).values(
                        generation=item.generation,
                        key_algorithm=item.key.algorithm,
                        key_blob=item.key.blob,
                        key_public=item.key.public,
                        serial=f"{item.serial:032x}",
                        der=item.der,
                        chain=msgspec.msgpack.encode(item.chain),
                        not_after=item.not_after,
                        created_at=item.created_at,
                    )
                )
        except IntegrityError:
            return False
        return True


def _certificate_values(signer: Signer) -> dict[str, bytes | str | datetime]:
    return {
        "serial": f"{signer.serial:032x}",
        "der": signer.der,
        "chain": msgspec.msgpack.encode(signer.chain),
        "not_after": signer.not_after,
    }


def _signer(row: Row) -> Signer:
    return Signer(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        key=row.key,
        version=row.version,
        algorithm=row.algorithm,
        template=row.template,
        subject=msgspec.json.decode(row.subject, type=dict[str, str]),
        state=SignerState(row.state),
        serial=int(row.serial, 16),
        der=row.der,
        chain=msgspec.msgpack.decode(row.chain, type=tuple[bytes, ...]),
        not_after=row.not_after,
        created_at=row.created_at,
    )


def _evidence_key(row: Row) -> EvidenceKey:
    binding = evidence_binding(row.generation)
    return EvidenceKey(
        generation=row.generation,
        key=WrappedKey(KeyAlgorithm(row.key_algorithm), binding, row.key_blob, row.key_public),
        serial=int(row.serial, 16),
        der=row.der,
        chain=msgspec.msgpack.decode(row.chain, type=tuple[bytes, ...]),
        not_after=row.not_after,
        created_at=row.created_at,
    )
