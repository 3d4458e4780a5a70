"""Sessions are bound to the certificate that opened them, and to its account: they end with either."""

from __future__ import annotations

from datetime import datetime

from miyun.core.digest import digest
from miyun.gm import rand
from miyun.offerings.strong_auth.certificates import Certificates
from miyun.offerings.strong_auth.model import SESSION_IDLE, SESSION_LIFETIME, Account, AccountState, Session
from miyun.offerings.strong_auth.store import StrongAuthStore
from miyun.wire import base64url
from miyun.wire.x509 import parse_certificate

_SEEN_AGAIN = 60  # seconds until a session in use is written again


class Sessions:
    def __init__(self, *, store: StrongAuthStore, certificates: Certificates) -> None:
        self._store = store
        self._certificates = certificates

    async def alive(self, session: Session | None, now: datetime) -> Account | None:
        """The account of a session that still holds. One whose certificate or account does not is ended."""
        if session is None or not is_open(session, now):
            return None
        account = self._store.account_by_fingerprint(session.tenant, session.application, session.fingerprint)
        if account is None or not await self.holds(account, now):
            self._store.end_session(session.id, now)
            return None
        if (now - session.last_seen_at).total_seconds() > _SEEN_AGAIN:
            self._store.touch_session(session.id, now)
        return account

    async def holds(self, account: Account, now: datetime) -> bool:
        """Whether the account is in use and its certificate would be accepted again."""
        return account.state is AccountState.ACTIVE and await self._certificates.holds(
            account.tenant, account.application, parse_certificate(account.certificate), now
        )


def new_token() -> str:
    """43 characters, 256 bits."""
    return base64url.encode(rand.token(32))


def stored(token: str) -> str:
    """What is kept of a token: a copy of the tables opens nothing."""
    return digest(token.encode()).hex()


def make_session(
    account: Account, token: str, at: datetime, *, method: str, revocation: str, client: str = "", sso: str = ""
) -> Session:
    return Session(
        id=stored(token),
        tenant=account.tenant,
        application=account.application,
        account=account.account,
        serial=account.serial,
        fingerprint=account.fingerprint,
        opened_at=at,
        last_seen_at=at,
        expires_at=min(at + SESSION_LIFETIME, account.not_after),
        ended_at=None,
        method=method,
        revocation=revocation,
        client=client,
        sso=sso,
    )


def is_open(session: Session, now: datetime) -> bool:
    return session.ended_at is None and session.expires_at > now and session.last_seen_at + SESSION_IDLE > now
