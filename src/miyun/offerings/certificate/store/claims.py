"""One certificate of a use for one application, whoever works at it and for however long they stood still.

A reserved number claims its application in the transaction that takes it. Who comes later takes the claim of a number
that has no certificate yet; a certificate that is signed under a lost claim is registered as revoked, and given to
nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select, update

from miyun.offerings.certificate.model import (
    ClaimsTaken,
    Completion,
    Reservation,
    RevocationReason,
    State,
    Usage,
    serial_text,
)
from miyun.offerings.certificate.store.tables import certificate_table, shard_table

_T: Final = certificate_table.c


def claims_of(applications: Sequence[str]) -> list[str]:
    return [claim_of(application, usage) for application in applications for usage in Usage]


def claim_of(application: str, usage: Usage) -> str:
    return f"{application}:{usage}"


def take(connection: Connection, reservations: Sequence[Reservation]) -> None:
    """Before they are inserted. Raises ClaimsTaken for applications that have their certificates."""
    claims = claims_of(sorted({item.application for item in reservations if item.application is not None}))
    if not claims:
        return
    connection.execute(
        update(certificate_table)
        .where(_T.claim.in_(claims), _T.state == State.ALLOCATED)
        .values(state=State.VOID, claim=None)
    )
    taken = set(connection.execute(select(_T.application).where(_T.claim.in_(claims))).scalars())
    if taken:
        raise ClaimsTaken(taken)


def record_lost(connection: Connection, lost: Sequence[Completion], at: datetime) -> None:
    """They were signed, so it is said of them that they are not to be relied upon."""
    for item in lost:
        done = connection.execute(
            update(certificate_table)
            .where(_T.serial == serial_text(item.serial), _T.state == State.VOID)
            .values(
                state=State.REVOKED,
                der=item.der,
                fingerprint=item.fingerprint,
                issued_at=at,
                revoked_at=at,
                reason=RevocationReason.SUPERSEDED,
            )
            .returning(_T.number, _T.authority, _T.shard)
        ).one_or_none()
        if done is not None:
            note_change(connection, done.number, done.authority, done.shard)


def note_change(connection: Connection, number: int, authority: str, shard: int) -> None:
    """Of a certificate's state: the next list of its shard tells of it."""
    changes = connection.execute(
        update(shard_table)
        .where(shard_table.c.authority == authority, shard_table.c.shard == shard)
        .values(crl_due=True, crl_changes=shard_table.c.crl_changes + 1)
        .returning(shard_table.c.crl_changes)
    ).scalar_one()
    connection.execute(update(certificate_table).where(_T.number == number).values(changed=changes))
