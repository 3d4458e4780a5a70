"""Certificate login in the manner of GM/T 0067: challenge, signature, session. No URL found in a certificate is ever
fetched; paths are built from the trust store, not from what the client sends."""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec

from miyun.core.certificates import read_certificate
from miyun.core.challenge import CHALLENGE_LIFETIME, ChallengeInvalid
from miyun.core.clock import Clock
from miyun.core.errors import FailedPrecondition, InvalidArgument, NotFound
from miyun.core.i18n import Text
from miyun.core.identity import Identity
from miyun.core.ids import new_id
from miyun.core.operation import Call
from miyun.core.ports import ApplicationDirectory, Bindings, CertificateIssuer, CertificateUse, KeyCustody, KeyDirectory
from miyun.core.trust import TrustDirectory
from miyun.gm import rand
from miyun.hsm.port import Machine
from miyun.offerings.strong_auth import messages as m
from miyun.offerings.strong_auth.accounts import Accounts, account_for
from miyun.offerings.strong_auth.certificates import Certificates, verify
from miyun.offerings.strong_auth.errors import (
    AccountNotActive,
    TooManyChallenges,
)
from miyun.offerings.strong_auth.model import (
    OPEN_CHALLENGES,
    TRANSITIONS,
    AccountState,
    Challenge,
    Policy,
    Session,
    challenge_message,
)
from miyun.offerings.strong_auth.report.model import KEEP
from miyun.offerings.strong_auth.report.service import Reports
from miyun.offerings.strong_auth.report.store import ReportStore
from miyun.offerings.strong_auth.sessions import Sessions, make_session, new_token, stored
from miyun.offerings.strong_auth.sso.notices import Fetch
from miyun.offerings.strong_auth.sso.service import Entitle, SingleSignOn
from miyun.offerings.strong_auth.sso.store import SsoStore
from miyun.offerings.strong_auth.store import StrongAuthStore


class StrongAuthService:
    """`sso` is the part for browsers: OpenID Connect and CAS."""

    def __init__(
        self,
        *,
        store: StrongAuthStore,
        sso: SsoStore,
        reports: ReportStore,
        issuer: CertificateIssuer,
        trust: TrustDirectory,
        bindings: Bindings,
        applications: ApplicationDirectory,
        keys: KeyDirectory,
        machine: Machine,
        identity: Identity,
        custody: KeyCustody,
        entitle: Entitle,
        fetch: Fetch,
        clock: Clock,
        url: str,
        mutual_url: str = "",
    ) -> None:
        self._store = store
        self._bindings = bindings
        self.certificates = Certificates(store=store, issuer=issuer, trust=trust)
        self.accounts = Accounts(store=store, certificates=self.certificates)
        self.sessions = Sessions(store=store, certificates=self.certificates)
        self._clock = clock
        self.reports = Reports(reports)
        self.sso = SingleSignOn(
            store=sso,
            accounts=self.accounts,
            certificates=self.certificates,
            sessions=self.sessions,
            reports=self.reports,
            keys=keys,
            machine=machine,
            identity=identity,
            custody=custody,
            applications=applications,
            entitle=entitle,
            fetch=fetch,
            clock=clock,
            url=url,
            mutual_url=mutual_url,
        )

    async def uses(self, tenant: str, fingerprint: str) -> list[CertificateUse]:
        """`core.ports.CertificateUses`."""
        accounts = await asyncio.to_thread(self._store.accounts_of_certificate, tenant, fingerprint)
        open_sessions = self._store.open_sessions_of_certificate
        sessions = await asyncio.to_thread(open_sessions, tenant, fingerprint, self._clock.now())
        return [
            *(CertificateUse("account", one.application, one.account, one.state, one.created_at) for one in accounts),
            *(CertificateUse("session", one.application, one.account, "open", one.opened_at) for one in sessions),
        ]

    async def bind_account(self, call: Call, request: m.BindAccount) -> m.AccountView:
        application = self._bound_application(call, request.application)
        certificate = read_certificate(request.certificate)
        await self.certificates.accept(call.require_tenant(), application, certificate, call.now)
        account = account_for(call.require_tenant(), application, request.account, certificate, call.now)
        self._store.add_account(account)
        call.resource.update(account=account.id, serial=account.serial)
        return m.AccountView.of(account)

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

    async def get_policy(self, call: Call, request: m.PolicyRef) -> m.PolicyView:
        application = self._bound_application(call, request.application)
        return m.PolicyView.of(self.certificates.policy(call.require_tenant(), application))

    async def set_policy(self, call: Call, request: m.SetPolicy) -> m.PolicyView:
        """Raises InvalidArgument for a trust list that is not there."""
        tenant, application = call.require_tenant(), self._bound_application(call, request.application)
        policy = Policy(tenant, application, request.lists, request.level, request.stale_seconds, request.account_field)
        await self.certificates.check_lists(policy, call.now)
        before = self.certificates.policy(tenant, application)
        self._store.set_policy(policy)
        call.resource["application"] = application
        call.detail.update(
            before=msgspec.to_builtins(m.PolicyView.of(before)), now=msgspec.to_builtins(m.PolicyView.of(policy))
        )
        return m.PolicyView.of(policy)

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
        with self.reports.noted(call, application=application, method="api"):
            return await self._login(call, tenant, application, request)

    async def _login(self, call: Call, tenant: str, application: str, request: m.Login) -> m.LoginResult:
        call.resource["challenge"] = request.challenge
        challenge = self._store.take_challenge(tenant, application, request.challenge)
        # one from the future was made before the clock was set back: it would live longer than it should
        if challenge is None or not call.now < challenge.expires_at <= call.now + CHALLENGE_LIFETIME:
            raise ChallengeInvalid(field="challenge")
        certificate = read_certificate(request.certificate)
        call.resource.update(serial=f"{certificate.serial:X}", subject=str(certificate.subject))
        revocation = await self.certificates.accept(tenant, application, certificate, call.now)
        verify(certificate, challenge.message, request.signature)
        account = await self.accounts.of(tenant, application, certificate, call.now)
        if account.state is not AccountState.ACTIVE:
            raise AccountNotActive(state=account.state)
        token = new_token()
        session = make_session(account, token, call.now, method="api", revocation=revocation)
        self.accounts.keep(account)
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
        if session is None or await self.sessions.alive(session, call.now) is None:
            return m.SessionView(active=False)
        return m.SessionView(active=True, account=session.account, serial=session.serial, expires_at=session.expires_at)

    async def end_session(self, call: Call, request: m.SessionToken) -> m.Done:
        session = self._session(call, request)
        if session is not None:
            self._store.end_session(session.id, call.now)
        return m.Done(done=True)

    async def sweep(self) -> None:
        now = self._clock.now()
        self._store.sweep(now, now - KEEP)
        await self.sso.sweep()
        self.reports.sweep(now)

    async def tell_clients(self) -> None:
        await self.sso.notices.send()

    async def rotate_signing_keys(self) -> None:
        await self.sso.keys.rotate_due()

    def opened(self, tenant: str, start: datetime, end: datetime) -> list[Session]:
        """For the acceptance evidence."""
        return self._store.sessions(tenant, start, end, limit=10_000)

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
        return self._store.session(call.require_tenant(), application, stored(request.session))

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
