"""CAS protocol 3.0 for applications that cannot speak OpenID Connect: a service ticket instead of a code. No proxy
tickets; a `pgtUrl` is not called, since it would be an address named by whoever asks."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from miyun.core.ids import new_id
from miyun.core.operation import Call, Reply
from miyun.offerings.strong_auth.model import Session
from miyun.offerings.strong_auth.sessions import Sessions, new_token, stored
from miyun.offerings.strong_auth.sso import messages as m
from miyun.offerings.strong_auth.sso.authlib_server import with_parameters
from miyun.offerings.strong_auth.sso.errors import ClientRefused, ServiceUnknown, SignOnRefused
from miyun.offerings.strong_auth.sso.exchange import readable
from miyun.offerings.strong_auth.sso.model import TICKET_LIFETIME, ClientState, Grant, Protocol
from miyun.offerings.strong_auth.sso.oidc import Asked
from miyun.offerings.strong_auth.sso.store import SsoStore

_XML: Final = "application/xml; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"
_NAMESPACE: Final = "http://www.yale.edu/tp/cas"


class CasServer:
    def __init__(self, *, store: SsoStore, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions

    # the browser

    def read(self, tenant: str, query: str, now: datetime) -> Asked:
        """Raises ServiceUnknown unless the service is registered, octet by octet; SignOnRefused."""
        with readable(SignOnRefused):
            values = _values(query)
        service = values.get("service", "")
        client = self._store.cas_client(tenant, service) if service else None
        if client is None:
            raise ServiceUnknown(field="service")
        return Asked(
            client=client,
            redirect=service,
            fresh="renew" in values,
            silent="gateway" in values and "renew" not in values,
        )

    def needs_login(self, asked: Asked) -> str:
        return asked.redirect  # a gateway request comes back without a ticket

    def answer(self, asked: Asked, session: Session, sso: str, auth_time: datetime, now: datetime) -> tuple[str, Grant]:
        ticket = f"ST-{new_token()}"
        grant = Grant(
            id=new_id("gnt"),
            tenant=session.tenant,
            client=asked.client.id,
            application=session.application,
            session=session.id,
            sso=sso,
            code=stored(ticket),
            redirect=asked.redirect,
            scope="",
            nonce="",
            challenge="",
            auth_time=auth_time,
            created_at=now,
            expires_at=now + TICKET_LIFETIME,
            renewed=auth_time == now,
        )
        return with_parameters(asked.redirect, ticket=ticket), grant

    def read_logout(self, tenant: str, query: str) -> str:
        """Where the browser may go afterwards: only to a registered service. Raises SignOnRefused."""
        with readable(SignOnRefused):
            service = _values(query).get("service", "")
        client = self._store.cas_client(tenant, service) if service else None
        return service if client else ""

    # the service

    async def validate(self, call: Call, request: m.ValidateTicket) -> Reply:
        with readable(lambda reason: _refused(request.version, "INVALID_REQUEST", reason)):
            values = _values(request.query)
        service, ticket = values.get("service", ""), values.get("ticket", "")
        if not service or not ticket:
            raise _refused(request.version, "INVALID_REQUEST", "'service' and 'ticket' are both required")
        grant = self._store.grant_by_code(request.tenant, stored(ticket)) if ticket.startswith("ST-") else None
        if grant is None:
            raise _refused(request.version, "INVALID_TICKET", "the ticket is not known")
        client = self._store.client(grant.tenant, grant.client)
        call.tenant = grant.tenant
        call.resource.update(client=grant.client, application=grant.application, grant=grant.id)
        # used up whatever comes of it (CAS protocol 3.0, 2.5.1)
        taken = self._store.redeem(grant, (), call.now)
        served = client is not None and client.protocol is Protocol.CAS and client.state is ClientState.ACTIVE
        if not taken or grant.expires_at <= call.now or not served:
            raise _refused(request.version, "INVALID_TICKET", "the ticket was used or has expired", had_effect=taken)
        if service != grant.redirect:
            raise _refused(request.version, "INVALID_SERVICE", "the ticket is for another service", had_effect=True)
        if "renew" in values and not grant.renewed:
            raise _refused(request.version, "INVALID_TICKET", "the ticket is not from a new login", had_effect=True)
        account = await self._sessions.alive(self._store.session(grant.tenant, grant.session), call.now)
        if account is None:
            raise _refused(request.version, "INVALID_TICKET", "the session has ended", had_effect=True)
        call.detail["account"] = account.account
        if request.version == 1:
            return Reply(f"yes\n{account.account}\n".encode(), _TEXT)
        attributes = ""
        if request.version == 3:
            shown = {
                "authenticationDate": grant.auth_time.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "isFromNewLogin": str(grant.renewed).lower(),
                "longTermAuthenticationRequestTokenUsed": "false",
                "certificateSubject": account.subject,
                "certificateSerial": account.serial,
            }
            inside = "".join(f"<cas:{name}>{escape(value)}</cas:{name}>" for name, value in shown.items())
            attributes = f"<cas:attributes>{inside}</cas:attributes>"
        body = f"<cas:user>{escape(account.account)}</cas:user>{attributes}"
        return _document(f"<cas:authenticationSuccess>{body}</cas:authenticationSuccess>")


def _refused(version: int, code: str, reason: str, *, had_effect: bool = False) -> ClientRefused:
    if version == 1:
        reply = Reply(b"no\n\n", _TEXT)
    else:
        reply = _document(f'<cas:authenticationFailure code="{code}">{escape(reason)}</cas:authenticationFailure>')
    return ClientRefused(reason, reply, had_effect=had_effect)


def _document(inside: str) -> Reply:
    content = f'<cas:serviceResponse xmlns:cas="{_NAMESPACE}">{inside}</cas:serviceResponse>'
    return Reply(content.encode(), _XML, headers={"cache-control": "no-store"})


def _values(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True, max_num_fields=64).items()}
