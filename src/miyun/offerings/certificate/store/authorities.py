"""Authorities and who answers for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from miyun.core.storage.database import Database
from miyun.hsm.port import KeyAlgorithm, WrappedKey
from miyun.offerings.certificate.model import (
    Authority,
    AuthorityEnd,
    AuthorityReason,
    AuthorityRole,
    Family,
    Responder,
    key_binding,
    responder_binding,
    serial_text,
)
from miyun.offerings.certificate.store.tables import (
    authority_table,
    crl_table,
    responder_table,
    root_answer_table,
    shard_table,
)


class AuthorityQueries:
    _database: Database

    def authorities(self) -> list[Authority]:
        with self._database.read() as connection:
            rows = connection.execute(select(authority_table).order_by(authority_table.c.created_at)).all()
        return [_authority(row) for row in rows]

    def add_authority(self, authority: Authority) -> bool:
        """False when another process was first; what it made stands."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(authority_table).values(
                        id=authority.id,
                        family=authority.family,
                        role=authority.role,
                        parent=authority.parent,
                        generation=authority.generation,
                        key_algorithm=authority.key.algorithm,
                        key_blob=authority.key.blob,
                        key_public=authority.key.public,
                        serial=serial_text(authority.serial),
                        der=authority.der,
                        shards=authority.shards,
                        deltas=authority.deltas,
                        created_at=authority.created_at,
                    )
                )
                connection.execute(insert(shard_table).values(authority=authority.id, shard=0))
                if authority.parent is not None:
                    _note_change(connection, authority.parent)
        except IntegrityError:
            return False
        return True

    def end_authority(self, authority: str, end: AuthorityEnd) -> bool:
        """An issuing authority is revoked from now on, and its root has to tell of it. False when it was before."""
        table = authority_table.c
        with self._database.write() as connection:
            parent = connection.execute(
                update(authority_table)
                .where(table.id == authority, table.parent.is_not(None), table.revoked_at.is_(None))
                .values(revoked_at=end.at, reason=end.reason)
                .returning(table.parent)
            ).scalar_one_or_none()
            if parent is None:
                return False
            _note_change(connection, parent)
        return True

    def authority_end(self, authority: str) -> AuthorityEnd | None:
        """As it is now, whatever a process remembers of it."""
        query = select(authority_table.c.revoked_at, authority_table.c.reason).where(authority_table.c.id == authority)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return _end(row) if row else None

    def is_untold(self, root: str) -> bool:
        """Whether an authority below it was made or revoked, of which no list of the root tells yet."""
        shard, table = shard_table.c, crl_table.c
        told = select(func.max(table.changes)).where(table.authority == root, table.shard == 0).scalar_subquery()
        query = select(shard.crl_changes > func.coalesce(told, -1)).where(shard.authority == root, shard.shard == 0)
        with self._database.read() as connection:
            return bool(connection.execute(query).scalar_one())

    def configure_authority(self, authority: str, *, shards: int, deltas: bool) -> bool:
        """False for fewer shards than there are: what a certificate names must go on being published."""
        with self._database.write() as connection:
            before = connection.execute(
                select(authority_table.c.shards).where(authority_table.c.id == authority).with_for_update()
            ).scalar_one()
            if shards < before:
                return False
            connection.execute(
                update(authority_table).where(authority_table.c.id == authority).values(shards=shards, deltas=deltas)
            )
            new = [{"authority": authority, "shard": shard} for shard in range(before + 1, shards + 1)]
            if new:
                connection.execute(insert(shard_table), new)
            connection.execute(update(shard_table).where(shard_table.c.authority == authority).values(crl_due=True))
        return True

    def keep_root_answers(self, authority: str, answers: Mapping[tuple[int, str], bytes], until: datetime) -> None:
        """By serial number and hash of the question, instead of those before."""
        rows = [
            {"authority": authority, "serial": serial_text(serial), "hash": by, "next_update": until, "der": encoded}
            for (serial, by), encoded in answers.items()
        ]
        with self._database.write() as connection:
            # one ceremony after the other
            connection.execute(select(authority_table.c.id).where(authority_table.c.id == authority).with_for_update())
            connection.execute(delete(root_answer_table).where(root_answer_table.c.authority == authority))
            if rows:
                connection.execute(insert(root_answer_table), rows)

    def root_answer(self, authority: str, serial: int, by: str, now: datetime) -> bytes | None:
        table = root_answer_table.c
        query = select(table.der).where(
            table.authority == authority,
            table.serial == serial_text(serial),
            table.hash == by,
            table.next_update > now,
        )
        with self._database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def responders(self) -> list[Responder]:
        """Oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(select(responder_table).order_by(responder_table.c.generation)).all()
        return [_responder(row) for row in rows]

    def add_responder(self, responder: Responder) -> bool:
        """False when another process made this generation first; what it made stands."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    insert(responder_table).values(
                        authority=responder.authority,
                        generation=responder.generation,
                        key_algorithm=responder.key.algorithm,
                        key_blob=responder.key.blob,
                        key_public=responder.key.public,
                        serial=serial_text(responder.serial),
                        der=responder.der,
                        not_after=responder.not_after,
                        created_at=responder.created_at,
                    )
                )
        except IntegrityError:
            return False
        return True


def _note_change(connection: Connection, root: str) -> None:
    connection.execute(
        update(shard_table)
        .where(shard_table.c.authority == root, shard_table.c.shard == 0)
        .values(crl_changes=shard_table.c.crl_changes + 1)
    )


def _end(row: Any) -> AuthorityEnd | None:
    return AuthorityEnd(row.revoked_at, AuthorityReason(row.reason)) if row.revoked_at is not None else None


def _responder(row: Row[tuple[object, ...]]) -> Responder:
    binding = responder_binding(row.authority, row.generation)
    return Responder(
        authority=row.authority,
        generation=row.generation,
        key=WrappedKey(KeyAlgorithm(row.key_algorithm), binding, row.key_blob, row.key_public),
        serial=int(row.serial, 16),
        der=row.der,
        not_after=row.not_after,
        created_at=row.created_at,
    )


def _authority(row: Row[tuple[object, ...]]) -> Authority:
    return Authority(
        id=row.id,
        family=Family(row.family),
        role=AuthorityRole(row.role),
        parent=row.parent,
        key=WrappedKey(KeyAlgorithm(row.key_algorithm), key_binding(row.id), row.key_blob, row.key_public),
        serial=int(row.serial, 16),
        der=row.der,
        created_at=row.created_at,
        shards=row.shards,
        deltas=row.deltas,
        generation=row.generation,
        end=_end(row),
    )
