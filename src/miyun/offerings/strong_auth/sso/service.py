"""The sign-in page's work, for every protocol alike: who holds which key, and is it an account of this application?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import urlsplit

from miyun.core.access import Entitled
from miyun.core.certificates import read_certificate
from miyun.core.challenge import ChallengeInvalid, Challenges
from miyun.core.clock import Clock
from miyun.core.errors import MiyunError
from miyun.core.identity import Identity
from miyun.core.operation import Call, Reply
from miyun.core.ports import ApplicationDirectory, KeyCustody, KeyDirectory
from miyun.hsm.port import Machine
from miyun.offerings.strong_auth.accounts import Accounts
from miyun.offerings.strong_auth.certificates import Certificates, of_connection, verify
from miyun.offerings.strong_auth.errors import AccountNotActive
from miyun.offerings.strong_auth.model import SESSION_IDLE, SESSION_LIFETIME, Account, AccountState
from miyun.offerings.strong_auth.report.service import Reports
from miyun.offerings.strong_auth.sessions import Sessions, make_session, new_token, stored
from miyun.offerings.strong_auth.sso import messages as m
from miyun.offerings.strong_auth.sso.cas import CasServer
from miyun.offerings.strong_auth.sso.errors import AnotherAccount, SessionUnknown, SignOnRefused
from miyun.offerings.strong_auth.sso.keys import SigningKeys
from miyun.offerings.strong_auth.sso.model import BrowserSession, Client, Protocol
from miyun.offerings.strong_auth.sso.notices import Fetch, Notices
from miyun.offerings.strong_auth.sso.oidc import Asked, OpenIdProvider, SentBack
from miyun.offerings.strong_auth.sso.registration import Registration
from miyun.offerings.strong_auth.sso.store import SsoStore
from miyun.wire import statement
from miyun.wire.x509 import parse_certificate

Entitle = Callable[[str, str, datetime], Awaitable[Entitled]]  # tenant, application: is the service bought and in term?


class SingleSignOn:
    def __init__(
        self,
        *,
        store: SsoStore,
        accounts: Accounts,
        certificates: Certificates,
        sessions: Sessions,
        reports: Reports,
        keys: KeyDirectory,
        machine: Machine,
        identity: Identity,
        custody: KeyCustody,
        applications: ApplicationDirectory,
        entitle: Entitle,
        fetch: Fetch,
        clock: Clock,
        url: str,
        mutual_url: str,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._certificates = certificates
        self._sessions = sessions
        self._reports = reports
        self._applications = applications
        self._entitle = entitle
        self._clock = clock
        self._url = url.rstrip("/")
        self._challenges = Challenges(machine, identity, statement.SIGN_ON)
        self.keys = SigningKeys(store=store, keys=keys, clock=clock)
        self.clients = Registration(
            store=store, keys=self.keys, applications=applications, issuers=self, mutual=bool(mutual_url)
        )
        self.oidc = OpenIdProvider(
            store=store,
            keys=self.keys,
            sessions=sessions,
            certificates=certificates,
            custody=custody,
            issuer=self.of,
            mutual_url=mutual_url.rstrip("/"),
        )
        self.notices = Notices(store=store, keys=self.keys, issuer=self.of, fetch=fetch, clock=clock)
        self.cas = CasServer(store=store, sessions=sessions)

    def of(self, tenant: str) -> str:
        """The tenant's issuer."""
        return f"{self._url}/oidc/{tenant}"

    async def begin(self, call: Call, request: m.BeginLogin) -> m.LoginPage:
        asked = self._read(request.protocol, request.tenant, request.query, call.now)
        if isinstance(asked, SentBack):
            return m.LoginPage(redirect=asked.location)
        client = asked.client
        browser = self._browser(request.tenant, request.sso, asked, call.now)
        if browser is not None:
            try:
                await self._account(asked, browser, call.now)
            except MiyunError:
                pass  # not an account of this application, or not the one that it asks for: another key may be
            else:
                return m.LoginPage(known=True)
        if asked.silent:
            return m.LoginPage(redirect=self._flow(request.protocol).needs_login(asked))
        application = await self._applications.get(client.tenant, client.application)
        token, text = await self._challenges.make(_bound(client), request.browser, call.now)
        return m.LoginPage(
            application=str(getattr(application, "name", "")),
            client=client.name,
            back=_origin(asked.redirect),
            challenge=token,
            message=text,
        )

    async def complete(self, call: Call, request: m.CompleteLogin) -> m.LoginDone:
        asked = self._read(request.protocol, request.tenant, request.query, call.now)
        if isinstance(asked, SentBack):
            raise SignOnRefused("the request is not valid")
        client = asked.client
        self._reports.check_address(call.peer, call.now)
        entitled = await self._entitle(client.tenant, client.application, call.now)
        call.tenant, call.instance, call.binding = client.tenant, entitled.instance, entitled.binding
        call.resource.update(client=client.id, application=client.application)
        with self._reports.noted(call, application=client.application, method=request.method, client=client.id):
            return await self._complete(call, asked, request)

    async def _complete(self, call: Call, asked: Asked, request: m.CompleteLogin) -> m.LoginDone:
        client = asked.client
        call.detail["signed"] = request.proves
        if not request.proves:
            browser = self._browser(request.tenant, request.sso, asked, call.now)
            if browser is None:
                raise SessionUnknown(field="sso")
            token, challenge = "", None
        else:
            token = new_token()
            challenge, browser = await self._proved(call, asked, request, stored(token))
        account, revocation = await self._account(asked, browser, call.now)
        call.resource.update(serial=account.serial, subject=account.subject)
        call.detail["account"] = account.account
        session = make_session(
            account,
            new_token(),
            call.now,
            method=request.method,
            revocation=revocation,
            client=client.id,
            sso=browser.id,
        )
        self._accounts.keep(account)
        flow = self._flow(request.protocol)
        location, grant = flow.answer(asked, session, browser.id, browser.opened_at, call.now)
        if not self._store.open_login(
            challenge=challenge, browser=browser if challenge else None, session=session, grant=grant
        ):
            raise ChallengeInvalid(field="challenge")
        if not challenge:
            self._store.touch_browser(browser.id, call.now)
        call.resource["grant"] = grant.id
        call.detail["revocation"] = revocation
        return m.LoginDone(redirect=location, sso=token)

    async def logout(self, call: Call, request: m.Logout) -> m.LogoutDone:
        """Ends the browser's session and every application's that it opened. Who was not sent here by a client that
        knows the session is asked first."""
        browser = self._store.browser(request.tenant, stored(request.sso)) if request.sso else None
        claims = None
        if request.protocol == Protocol.OIDC:
            claims, redirect = self.oidc.read_logout(request.tenant, request.query, call.now)
        else:
            redirect = self.cas.read_logout(request.tenant, request.query)
        named = self._named(request.tenant, claims)
        known = named is not None and (browser is None or named == browser.id)
        if browser is None and named is None:
            call.idle = True
            return m.LogoutDone(redirect=redirect)
        if not known and not request.confirmed:
            call.idle = True
            return m.LogoutDone(confirm=True, redirect=redirect)
        ended = browser.id if browser is not None else named
        assert ended is not None, "one of both is there"
        self._store.end_browser(request.tenant, ended, call.now)
        call.tenant = request.tenant
        call.resource["sso"] = ended[:12]
        return m.LogoutDone(redirect=redirect)

    async def metadata(self, call: Call, request: m.Published) -> Reply:
        return self.oidc.metadata(request.tenant)

    async def key_set(self, call: Call, request: m.Published) -> Reply:
        return self.oidc.key_set(request.tenant, sm2=False)

    async def key_set_sm2(self, call: Call, request: m.Published) -> Reply:
        return self.oidc.key_set(request.tenant, sm2=True)

    async def sweep(self) -> None:
        now = self._clock.now()
        self._store.sweep(now, now - SESSION_LIFETIME)

    def _flow(self, protocol: str) -> OpenIdProvider | CasServer:
        return self.oidc if protocol == Protocol.OIDC else self.cas

    def _read(self, protocol: str, tenant: str, query: str, now: datetime) -> Asked | SentBack:
        return self._flow(protocol).read(tenant, query, now)

    def _browser(self, tenant: str, token: str, asked: Asked, now: datetime) -> BrowserSession | None:
        """The browser's session, if it holds and is new enough for what the client asks."""
        browser = self._store.browser(tenant, stored(token)) if token and not asked.fresh else None
        if browser is None or browser.ended_at is not None or browser.expires_at <= now:
            return None
        if browser.last_seen_at + SESSION_IDLE <= now:
            return None
        if asked.max_age is not None and (now - browser.opened_at).total_seconds() > asked.max_age:
            return None
        return browser

    async def _proved(
        self, call: Call, asked: Asked, request: m.CompleteLogin, browser_id: str
    ) -> tuple[tuple[str, datetime], BrowserSession]:
        """By a signature over the challenge, or by the connection's certificate: the challenge then tells only that
        this browser was shown the page, so that no other site can make it log in."""
        client = asked.client
        signed = await self._challenges.check(request.challenge, _bound(client), request.browser, call.now)
        call.resource["challenge"] = signed.name
        certificate = of_connection(call) if request.mutual else read_certificate(request.certificate or "")
        call.resource.update(serial=f"{certificate.serial:X}", subject=str(certificate.subject))
        if not request.mutual:
            verify(certificate, signed.message, request.signature)
        browser = BrowserSession(
            id=browser_id,
            tenant=client.tenant,
            certificate=certificate.der,
            opened_at=call.now,
            last_seen_at=call.now,
            expires_at=min(call.now + SESSION_LIFETIME, certificate.not_after),
        )
        return (signed.name, signed.expires), browser

    async def _account(self, asked: Asked, browser: BrowserSession, now: datetime) -> tuple[Account, str]:
        """And what is known of the certificate's revocation. Raises CertificateRefused, AccountNotActive,
        AnotherAccount."""
        client, certificate = asked.client, parse_certificate(browser.certificate)
        revocation = await self._certificates.accept(client.tenant, client.application, certificate, now)
        account = await self._accounts.of(client.tenant, client.application, certificate, now)
        if account.state is not AccountState.ACTIVE:
            raise AccountNotActive(state=account.state)
        if asked.account and account.account != asked.account:
            raise AnotherAccount(field="certificate")
        return account, revocation

    def _named(self, tenant: str, claims: dict[str, object] | None) -> str | None:
        """The browser's session that a client's ID token belongs to."""
        sid = str(claims.get("sid", "")) if claims else ""
        return self._store.browser_of(tenant, sid) if sid else None


def _bound(client: Client) -> tuple[str, str, str]:
    """A signature made to log in to one client is worth nothing at another."""
    return client.tenant, client.application, client.id


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
