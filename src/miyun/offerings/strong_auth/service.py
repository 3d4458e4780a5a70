"""Certificate login in the manner of GM/T 0067: challenge, signature, session. No URL found in a certificate is ever
fetched; paths are built from the trust store, not from what the client sends."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime

from miyun.core.clock import Clock
from miyun.core.digest import digest
from miyun.core.errors import FailedPrecondition, InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.ids import new_id
from miyun.core.operation import Call
from miyun.core.ports import Bindings, CertificateIssuer
from miyun.gm import rand
from miyun.gm.errors import InvalidSignature
from miyun.offerings.strong_auth import messages as m
from miyun.offerings.strong_auth.errors import (
    AccountNotActive,
    CertificateRefused,
    ChallengeInvalid,
    LoginFailed,
    TooManyChallenges,
)
from miyun.offerings.strong_auth.model import (
    CHALLENGE_LIFETIME,
    OPEN_CHALLENGES,
    SESSION_IDLE,
    SESSION_LIFETIME,
    TRANSITIONS,
    Account,
    AccountState,
    Challenge,
    Session,
    challenge_message,
)
from miyun.offerings.strong_auth.store import StrongAuthStore
from miyun.wire import pem, spki
from miyun.wire.algorithm import SignatureAlgorithm
from miyun.wire.errors import DecodeError
from miyun.wire.spki import KeyAlgorithm
from miyun.wire.x509 import Certificate, ChainError, Purpose, parse_certificate, verify_chain

_ALGORITHMS = {
    KeyAlgorithm.SM2: SignatureAlgorithm.SM2_SM3,
    KeyAlgorithm.EC_P256: SignatureAlgorithm.ECDSA_SHA256,
    KeyAlgorithm.RSA: SignatureAlgorithm.RSA_SHA256,
}
_SIGNS = frozenset({"digitalSignature", "nonRepudiation"})


class StrongAuthService:
    def __init__(self, *, store: StrongAuthStore, issuer: CertificateIssuer, bindings: Bindings, clock: Clock) -> None:
        self._store = store
        self._bindings = bindings
        self._issuer = issuer
        self._clock = clock

    async def bind_account(self, call: Call, request: m.BindAccount) -> m.AccountView:
        application = self._bound_application(call, request.application)
        certificate = _read(request.certificate)
        await self._accept(call.require_tenant(), certificate, call.now)
        account = Account(
            id=new_id("acc"),
            tenant=call.require_tenant(),
            application=application,
            account=request.account,
            subject=str(certificate.subject),
            issuer=str(certificate.issuer),
            serial=f"{certificate.serial:X}",
            fingerprint=certificate.fingerprint.hex(),
            certificate=certificate.der,
            not_after=certificate.not_after,
            state=AccountState.ACTIVE,
            created_at=call.now,
        )
        self._store.add_account(account)
        call.resource.update(account=account.id, serial=account.serial)
        return m.AccountView.of(account)

    async def list_accounts(self, call: Call, request: m.ListAccounts) -> m.AccountList:
        application = call.principal.application or request.application
        items = self._store.accounts(
            call.require_tenant(), application=application, cursor=request.cursor, limit=request.limit + 1
        )
        more = len(items) > request.limit
        items = items[: request.limit]
        return m.AccountList(items=[m.AccountView.of(a) for a in items], next_cursor=items[-1].id if more else None)

    async def suspend_account(self, call: Call, request: m.AccountRef) -> m.AccountView:
        return self._move(call, request.account_id, "suspend")

    async def resume_account(self, call: Call, request: m.AccountRef) -> m.AccountView:
        return self._move(call, request.account_id, "resume")

    async def unbind_account(self, call: Call, request: m.AccountRef) -> m.Done:
        call.resource["account"] = request.account_id
        account = self._store.account(call.require_tenant(), request.account_id)
        if account is None or not self._store.remove_account(account.tenant, account.id):
            raise NotFound("account", request.account_id, field="account_id")
        self._store.end_sessions(account, call.now)
        return m.Done(done=True)

    async def add_trust(self, call: Call, request: m.AddTrust) -> m.TrustView:
        certificate = _read(request.certificate)
        if not certificate.is_ca:
            raise InvalidArgument("certificate", Text("不是 CA 证书", "is not a CA certificate"))
        row: dict[str, object] = {
            "id": new_id("tru"),
            "tenant": call.require_tenant(),
            "subject": str(certificate.subject),
            "fingerprint": certificate.fingerprint.hex(),
            "certificate": certificate.der,
            "created_at": call.now,
        }
        self._store.add_trust(row)
        call.resource["trust"] = str(row["id"])
        return m.TrustView.of(row)

    async def list_trust(self, call: Call, request: m.Nothing) -> m.TrustList:
        return m.TrustList(items=[m.TrustView.of(row) for row in self._store.trust(call.require_tenant())])

    async def remove_trust(self, call: Call, request: m.TrustRef) -> m.Done:
        call.resource["trust"] = request.trust
        if not self._store.remove_trust(call.require_tenant(), request.trust):
            raise NotFound("trust", request.trust)
        return m.Done(done=True)

    async def challenge(self, call: Call, request: m.AskChallenge) -> m.ChallengeView:
        tenant, application = call.require_tenant(), _application(call, request.application)
        expires_at = (call.now + CHALLENGE_LIFETIME).replace(microsecond=0)
        challenge_id = new_id("chl")
        message = challenge_message(tenant, application, challenge_id, rand.token(32), expires_at)
        challenge = Challenge(challenge_id, tenant, application, message, expires_at)
        if self._store.add_challenge(challenge, call.now) >= OPEN_CHALLENGES:
            self._store.take_challenge(tenant, application, challenge_id)
            raise TooManyChallenges(retry_after=int(CHALLENGE_LIFETIME.total_seconds()))
        call.resource["challenge"] = challenge_id
        return m.ChallengeView(challenge=challenge_id, message=message, expires_at=expires_at)

    async def login(self, call: Call, request: m.Login) -> m.LoginResult:
        tenant, application = call.require_tenant(), _application(call, request.application)
        call.resource["challenge"] = request.challenge
        challenge = self._store.take_challenge(tenant, application, request.challenge)
        if challenge is None or challenge.expires_at <= call.now:
            raise ChallengeInvalid(field="challenge")
        certificate = _read(request.certificate)
        call.resource["serial"] = f"{certificate.serial:X}"
        revocation = await self._accept(tenant, certificate, call.now)
        _verify(certificate, challenge.message, request.signature)
        account = self._store.account_by_fingerprint(tenant, application, certificate.fingerprint.hex())
        if account is None:
            raise CertificateRefused("not bound to an account of this application", str(certificate.subject))
        if account.state is not AccountState.ACTIVE:
            raise AccountNotActive(state=account.state)
        token = base64.urlsafe_b64encode(rand.token(32)).rstrip(b"=").decode()
        session = Session(
            id=digest(token.encode()).hex(),
            tenant=tenant,
            application=application,
            account=account.account,
            serial=account.serial,
            fingerprint=account.fingerprint,
            opened_at=call.now,
            last_seen_at=call.now,
            expires_at=min(call.now + SESSION_LIFETIME, certificate.not_after),
            ended_at=None,
        )
        self._store.open_session(session)
        call.detail.update(account=account.account, revocation=revocation)
        return m.LoginResult(
            session=token,
            account=account.account,
            serial=account.serial,
            subject=account.subject,
            expires_at=session.expires_at,
            revocation=revocation,
        )

    async def check_session(self, call: Call, request: m.SessionToken) -> m.SessionView:
        session = self._session(call, request)
        if session is None or not _is_alive(session, call.now):
            return m.SessionView(active=False)
        account = self._store.account_by_fingerprint(session.tenant, session.application, session.fingerprint)
        # Bound to the certificate and its account: it ends with either.
        if (
            account is None
            or account.state is not AccountState.ACTIVE
            or await self._is_revoked(parse_certificate(account.certificate))
        ):
            self._store.end_session(session.id, call.now)
            return m.SessionView(active=False)
        if (call.now - session.last_seen_at).total_seconds() > 60:
            self._store.touch_session(session.id, call.now)
        return m.SessionView(active=True, account=session.account, serial=session.serial, expires_at=session.expires_at)

    async def end_session(self, call: Call, request: m.SessionToken) -> m.Done:
        session = self._session(call, request)
        if session is not None:
            self._store.end_session(session.id, call.now)
        return m.Done(done=True)

    async def report(self, call: Call, request: m.AskReport) -> m.Report:
        if request.end <= request.start:
            raise InvalidArgument("end", Text("应晚于 start", "must be after start"))
        sessions = self._store.sessions(call.require_tenant(), request.start, request.end, limit=request.limit)
        return m.Report(items=[m.LoginRecord.of(s) for s in sessions])

    async def sweep(self) -> None:
        self._store.sweep(self._clock.now())

    def sessions(self, tenant: str, start: datetime, end: datetime) -> list[Session]:
        """For the acceptance evidence."""
        return self._store.sessions(tenant, start, end, limit=10_000)

    async def _accept(self, tenant: str, certificate: Certificate, at: datetime) -> str:
        """Raises CertificateRefused; answers how revocation was checked."""
        anchors = [parse_certificate(der) for der in await self._issuer.trust_anchors()]
        intermediates = [parse_certificate(der) for der in await self._issuer.intermediates()]
        anchors += [parse_certificate(der) for der in self._store.trusted(tenant)]
        try:
            chain = verify_chain(certificate, intermediates, anchors, at, purpose=Purpose.CLIENT_AUTH)
        except ChainError as error:
            raise CertificateRefused(error.reason, error.subject) from error
        # The encryption certificate of a pair: a key management centre may hold its private key too (GM/T 0034).
        if certificate.key_usage is not None and not certificate.key_usage & _SIGNS:
            raise CertificateRefused("key_usage", str(certificate.subject))
        if await self._is_revoked(certificate):
            raise CertificateRefused("revoked", str(certificate.subject))
        above = chain.certificates[min(1, len(chain.certificates) - 1)]
        # A foreign CA's status is not known here, and no URL of its certificate is fetched.
        return "good" if above.spki_der in {item.spki_der for item in await self._authorities()} else "unchecked"

    async def _authorities(self) -> list[Certificate]:
        """The platform's own."""
        ders = [*await self._issuer.trust_anchors(), *await self._issuer.intermediates()]
        return [parse_certificate(der) for der in ders]

    async def _is_revoked(self, certificate: Certificate) -> bool:
        """By our own register, for what bears the name of one of our authorities, whatever path it was accepted by."""
        return await self._issuer.is_revoked(certificate.serial) and any(
            item.subject.matches(certificate.issuer) for item in await self._authorities()
        )

    def _bound_application(self, call: Call, named: str | None) -> str:
        """As `_application`, and the tenant's own bound to a service."""
        application = _application(call, named)
        if call.principal.application is None:
            tenants = {bound.tenant for bound in self._bindings.of_application(application)}
            if call.require_tenant() not in tenants:
                raise NotFound("application", application)
        return application

    def _session(self, call: Call, request: m.SessionToken) -> Session | None:
        application = _application(call, request.application)
        return self._store.session(call.require_tenant(), application, digest(request.session.encode()).hex())

    def _move(self, call: Call, account_id: str, verb: str) -> m.AccountView:
        call.resource["account"] = account_id
        account = self._store.account(call.require_tenant(), account_id)
        if account is None:
            raise NotFound("account", account_id, field="account_id")
        target = TRANSITIONS[account.state].get(verb)
        if target is None or not self._store.set_account_state(account.tenant, account.id, account.state, target):
            raise FailedPrecondition(state=account.state, field="account_id")
        if target is not AccountState.ACTIVE:
            self._store.end_sessions(account, call.now)
        moved = self._store.account(account.tenant, account.id)
        assert moved is not None, "accounts are not removed while their state changes"
        return m.AccountView.of(moved)


def _application(call: Call, named: str | None) -> str:
    """An application acts for itself; people name the application."""
    if call.principal.application:
        if named not in (None, call.principal.application):
            raise NotFound("application", named or "")
        return call.principal.application
    if named is None:
        raise InvalidArgument("application", Text("必须给出", "is required"))
    return named


def _is_alive(session: Session, now: datetime) -> bool:
    return session.ended_at is None and session.expires_at > now and session.last_seen_at + SESSION_IDLE > now


def _read(text: str) -> Certificate:
    """PEM, or base64 of DER."""
    try:
        encoded = pem.decode(text, pem.CERTIFICATE) if "BEGIN" in text else base64.b64decode(text, validate=True)
        return parse_certificate(encoded)
    except (DecodeError, binascii.Error, ValueError) as error:
        reason = Text("不是有效的 X.509 证书（PEM 或 Base64 DER）", "is not an X.509 certificate (PEM or base64 DER)")
        raise InvalidArgument("certificate", reason) from error


def _verify(certificate: Certificate, message: bytes, signature: bytes) -> None:
    algorithm = _ALGORITHMS.get(certificate.public_key.algorithm)
    if algorithm is None:
        raise CertificateRefused("unsupported_key", str(certificate.subject))
    try:
        spki.verify(certificate.spki_der, algorithm, message, signature)
    except (InvalidSignature, DecodeError) as error:
        raise LoginFailed(field="signature") from error
