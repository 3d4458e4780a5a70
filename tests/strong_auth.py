"""The room of certificate login over stand-ins: one application, one person with an SM2 key and its certificate."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from tests.rooms import Rooms, rooms_in

from miyun.core.access import Entitled
from miyun.core.errors import NotEntitled, NotFound, Unavailable
from miyun.core.identity import Identity
from miyun.core.operation import Call, Principal, Reply, Role
from miyun.core.outbound import Fetched
from miyun.core.ports import BindingInfo, Custody
from miyun.gm import sm2
from miyun.offerings.strong_auth import messages as m
from miyun.offerings.strong_auth.report.store import ReportStore
from miyun.offerings.strong_auth.service import StrongAuthService
from miyun.offerings.strong_auth.sso import messages as sso
from miyun.offerings.strong_auth.sso.errors import ClientRefused
from miyun.offerings.strong_auth.sso.store import SsoStore
from miyun.offerings.strong_auth.store import StrongAuthStore
from miyun.wire import spki
from miyun.wire.x509 import parse_certificate


class Applications:
    async def get(self, tenant: str, application: str) -> object:
        if tenant != application.replace("app_1", "ten_a").replace("app_2", "ten_a").replace("app_b", "ten_b"):
            raise NotFound("application", application)
        return SimpleNamespace(name="办件系统")


class OneApplication:
    """app_1 of ten_a is bound to the service, nothing else."""

    def of_application(self, application: str) -> list[BindingInfo]:
        return [BindingInfo("bnd_1", "ten_a", "app_1", "ins_1", "strong_auth")] if application == "app_1" else []


class Hall:
    def __init__(self, folder: Path) -> None:
        self.rooms: Rooms = rooms_in(folder)
        self.told: list[tuple[str, bytes]] = []
        self.answers = 200
        self.kept: dict[str, Custody] = {}  # by a register of keys: certificates' fingerprints
        self.silent: set[str] = set()  # addresses where nobody answers
        self.service = StrongAuthService(
            store=StrongAuthStore(self.rooms.database),
            issuer=self.rooms.issuer,
            trust=self.rooms.certificate.trust.directory,
            sso=SsoStore(self.rooms.database),
            reports=ReportStore(self.rooms.database),
            bindings=OneApplication(),
            applications=Applications(),  # type: ignore[arg-type]
            keys=self.rooms.keys,  # type: ignore[arg-type]
            machine=self.rooms.machine,  # type: ignore[arg-type]
            identity=Identity(self.rooms.machine, "https://login.test"),
            custody=self.custody,
            entitle=self.entitle,
            fetch=self.fetch,
            clock=self.rooms.clock,
            url="https://login.test",
            mutual_url="https://login.test:8601",
        )
        self.private = sm2.generate_private_key()
        self.pem, self.serial = self.certificate(self.private)

    async def fetch(self, url: str, *, method: str, body: bytes, headers: dict[str, str], **bounds: Any) -> Fetched:
        """What clients are told goes into `told`; they answer with `answers`."""
        self.told.append((url, body))
        if url in self.silent:
            raise Unavailable("client")
        return Fetched(self.answers, {}, b"")

    async def custody(self, tenant: str, fingerprint: str) -> Custody | None:
        return self.kept.get(fingerprint) if tenant == "ten_a" else None

    async def entitle(self, tenant: str, application: str, now: datetime) -> Entitled:
        if (tenant, application) != ("ten_a", "app_1"):
            raise NotEntitled(service="strong_auth")
        return Entitled(tenant, "ins_1", "bnd_1")

    def certificate(self, private: bytes, template: str = "person", days: int | None = None) -> tuple[str, int]:
        issued = self.do(
            self.rooms.issuer.issue,
            "ten_a",
            template=template,
            subject={"CN": "zhang"},
            spki=spki.sm2_spki(sm2.public_key(private)),
            days=days,
            at=self.rooms.clock.now(),
        )
        return parse_certificate(issued.der).to_pem(), issued.serial

    def do(self, verb: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        return asyncio.run(verb(*arguments, **named))

    def call(self, tenant: str = "ten_a", application: str = "app_1") -> Call:
        principal = Principal("ak_1", Role.APPLICATION, "app", tenant=tenant, application=application)
        return Call(principal, "req_1", self.rooms.clock.now(), "zh", tenant=tenant, instance="ins_1")

    def public(self, certificate: bytes | None = None) -> Call:
        """`certificate`: of the connection."""
        anonymous = Principal("anonymous", Role.PUBLIC, "")
        return Call(anonymous, "req_1", self.rooms.clock.now(), "zh", certificate=certificate)

    def security(self, tenant: str = "ten_a") -> Call:
        principal = Principal("usr_1", Role.TENANT_SECURITY, "somebody", tenant=tenant)
        return Call(principal, "req_1", self.rooms.clock.now(), "zh", tenant=tenant)

    def bind(self, account: str = "zhang", pem: str | None = None) -> m.AccountView:
        request = m.BindAccount(account=account, certificate=pem or self.pem)
        return self.do(self.service.bind_account, self.call(), request)

    def challenge(self, call: Call | None = None) -> m.ChallengeView:
        return self.do(self.service.challenge, call or self.call(), m.AskChallenge())

    def login(
        self,
        challenge: m.ChallengeView,
        *,
        signature: bytes | None = None,
        pem: str | None = None,
        call: Call | None = None,
    ) -> m.LoginResult:
        request = m.Login(
            challenge=challenge.challenge,
            certificate=pem or self.pem,
            signature=signature or sm2.sign(self.private, challenge.message),
        )
        return self.do(self.service.login, call or self.call(), request)

    def check(self, session: str, call: Call | None = None) -> m.SessionView:
        return self.do(self.service.check_session, call or self.call(), m.SessionToken(session=session))


CALLBACK = "https://app.example.gov.cn/callback"


@dataclass
class Browser:
    """What a browser and the sign-in page in it do, without HTML."""

    hall: Hall
    cookie: str = "browser-cookie-of-one"
    sso: str = ""

    def visit(self, query: str, protocol: str = "oidc", tenant: str = "ten_a") -> sso.LoginPage:
        request = sso.BeginLogin(
            protocol=protocol,  # type: ignore[arg-type]
            tenant=tenant, query=query, browser=self.cookie, sso=self.sso,
        )  # fmt: skip
        return self.hall.do(self.hall.service.sso.begin, self.hall.public(), request)

    def sign(self, query: str, page: sso.LoginPage, protocol: str = "oidc", **changed: Any) -> sso.LoginDone:
        values: dict[str, Any] = {
            "protocol": protocol,
            "tenant": "ten_a",
            "query": query,
            "browser": self.cookie,
            "challenge": page.challenge,
            "certificate": self.hall.pem,
            "signature": sm2.sign(self.hall.private, page.message.encode()),
            **changed,
        }
        done = self.hall.do(self.hall.service.sso.complete, self.hall.public(), sso.CompleteLogin(**values))
        self.sso = done.sso or self.sso
        return done

    def connect(
        self, query: str, page: sso.LoginPage, certificate: bytes | None, protocol: str = "oidc", **changed: Any
    ) -> sso.LoginDone:
        """The page's other way, at the address that asks for a certificate."""
        values = {"browser": self.cookie, "challenge": page.challenge, **changed}
        request = sso.CompleteLogin(protocol=protocol, tenant="ten_a", query=query, mutual=True, **values)  # type: ignore[arg-type]
        done = self.hall.do(self.hall.service.sso.complete, self.hall.public(certificate), request)
        self.sso = done.sso or self.sso
        return done

    def go_on(self, query: str, protocol: str = "oidc") -> sso.LoginDone:
        """By the session that the browser has."""
        request = sso.CompleteLogin(protocol=protocol, tenant="ten_a", query=query, sso=self.sso)  # type: ignore[arg-type]
        return self.hall.do(self.hall.service.sso.complete, self.hall.public(), request)

    def log_in(self, query: str, protocol: str = "oidc") -> dict[str, str]:
        """What the client gets back."""
        return answered(self.sign(query, self.visit(query, protocol), protocol).redirect)


def answered(location: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


@dataclass
class Relying:
    """A client of ours by the letter of the protocol."""

    hall: Hall
    view: sso.ClientView
    secret: str | None
    verifier: str = ""

    def query(self, **more: Any) -> str:
        self.verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        values = {
            "response_type": "code",
            "client_id": self.view.client,
            "redirect_uri": CALLBACK,
            "scope": "openid profile",
            "state": "st4te",
            "nonce": "n0nce",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **more,
        }
        return urlencode({name: value for name, value in values.items() if value is not None})

    certificate: bytes | None = None
    """Of its connections."""

    def call(self, endpoint: str, tenant: str = "ten_a", **form: Any) -> tuple[int, dict[str, Any]]:
        header = ""
        if self.secret is not None:
            header = "Basic " + base64.b64encode(f"{self.view.client}:{self.secret}".encode()).decode()
        elif endpoint != "userinfo":
            form.setdefault("client_id", self.view.client)
        if endpoint == "userinfo":
            header = f"Bearer {form.pop('access_token')}"
        request = sso.Exchanged(tenant=tenant, form=urlencode(form), authorization=header)
        try:
            reply: Reply = self.hall.do(
                getattr(self.hall.service.sso.oidc, endpoint), self.hall.public(self.certificate), request
            )
        except ClientRefused as refused:
            reply = refused.reply
        return reply.status, msgspec.json.decode(reply.body)

    def redeem(self, code: str, **more: Any) -> tuple[int, dict[str, Any]]:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, **more}
        return self.call("token", **{"code_verifier": self.verifier, **form})

    def refresh(self, token: str) -> tuple[int, dict[str, Any]]:
        return self.call("token", grant_type="refresh_token", refresh_token=token)


def register(hall: Hall, **values: Any) -> Relying:
    request = sso.RegisterClient(**{"application": "app_1", "name": "办件系统网页", "redirects": (CALLBACK,), **values})
    made = hall.do(hall.service.sso.clients.register, hall.security(), request)
    return Relying(hall, made.client, made.secret)
