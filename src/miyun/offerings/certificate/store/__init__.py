"""Tables of the certificate room and their queries. Every tenant's query filters by tenant in the SQL itself."""

from __future__ import annotations

from miyun.core.storage.database import Database
from miyun.offerings.certificate.escrow.store import EscrowStore
from miyun.offerings.certificate.store.authorities import AuthorityQueries
from miyun.offerings.certificate.store.lists import ListQueries
from miyun.offerings.certificate.store.register import SORTING, RegisterQueries, certificate_of
from miyun.offerings.certificate.store.tables import certificate_table
from miyun.offerings.certificate.trust.held.store import HeldStore
from miyun.offerings.certificate.trust.store import TrustStore

__all__ = ("SORTING", "CertificateStore", "certificate_of", "certificate_table")


class CertificateStore(AuthorityQueries, RegisterQueries, ListQueries):
    """One handle on all of the room's tables."""

    def __init__(self, database: Database) -> None:
        self._database = self.database = database
        self.escrow = EscrowStore(database)
        self.trust = TrustStore(database)
        self.held = HeldStore(database)
