"""Whose certificate is it? Bound one by one, or named by the certificate itself where the application has it so."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from miyun.core.errors import AlreadyExists
from miyun.core.ids import new_id
from miyun.offerings.strong_auth.certificates import Certificates
from miyun.offerings.strong_auth.errors import AccountNotActive, NotBound
from miyun.offerings.strong_auth.model import Account, AccountState
from miyun.offerings.strong_auth.store import StrongAuthStore
from miyun.wire.x509 import Certificate


class Accounts:
    def __init__(self, *, store: StrongAuthStore, certificates: Certificates) -> None:
        self._store = store
        self._certificates = certificates

    async def of(self, tenant: str, application: str, certificate: Certificate, now: datetime) -> Account:
        """The account of a certificate that was accepted; one that the certificate names may be new, and is kept by
        `keep`. Raises NotBound, CertificateRefused, AccountNotActive."""
        account = self._store.account_by_fingerprint(tenant, application, certificate.fingerprint.hex())
        if account is not None:
            return account
        name = await self._certificates.account_of(tenant, application, certificate)
        if name is None:
            raise NotBound(str(certificate.subject))
        if self._store.is_suspended(tenant, application, name):
            raise AccountNotActive(state=AccountState.SUSPENDED)  # a person, whatever certificate they have got since
        return account_for(tenant, application, name, certificate, now)

    def keep(self, account: Account) -> None:
        if self._store.account(account.tenant, account.id) is None:
            with suppress(AlreadyExists):  # another login of the same person was faster
                self._store.add_account(account)


def account_for(tenant: str, application: str, name: str, certificate: Certificate, now: datetime) -> Account:
    return Account(
        id=new_id("acc"),
        tenant=tenant,
        application=application,
        account=name,
        subject=str(certificate.subject),
        issuer=str(certificate.issuer),
        serial=f"{certificate.serial:X}",
        fingerprint=certificate.fingerprint.hex(),
        certificate=certificate.der,
        not_after=certificate.not_after,
        state=AccountState.ACTIVE,
        created_at=now,
    )
